//! Trunks at the edge to Node.

use std::ffi::c_void;
use std::ptr;

use plimsoll_wire::trunk::BYTES;

use super::{
    CallbackInfo, Env, OK, PENDING_EXCEPTION, Scope, Status, Value, export_with, external_buffer,
    napi_create_reference, napi_get_and_clear_last_exception, napi_get_cb_info, napi_get_reference_value,
    napi_get_value_int32, napi_set_named_property, string_or_null,
};
use crate::trunk::{self, Trunk};

unsafe extern "C" {
    fn napi_create_object(env: Env, result: *mut Value) -> Status;
    fn napi_create_uint32(env: Env, number: u32, result: *mut Value) -> Status;
    fn napi_async_init(env: Env, resource: Value, name: Value, result: *mut *mut c_void) -> Status;
    fn napi_make_callback(
        env: Env,
        context: *mut c_void,
        this: Value,
        function: Value,
        count: usize,
        arguments: *const Value,
        result: *mut Value,
    ) -> Status;
    fn napi_fatal_exception(env: Env, error: Value) -> Status;
}

/// `openTrunk(fd, heed)` → `{ memory, ring, close }`, null where nothing has come yet, or a string that says why there is none.
/// `heed(link)` is called on the loop's thread for each link that has news.
pub(super) unsafe extern "C" fn js_open(env: Env, info: CallbackInfo) -> Value {
    // SAFETY: `env` and `info` are Node's own, for this call; the trunk lives as long as the process.
    unsafe {
        let [fd, heed] = two_arguments(env, info);
        let mut number = 0;
        let fd = (napi_get_value_int32(env, fd, &raw mut number) == OK).then_some(number);
        let opened = match fd.zip(Caller::new(env, heed)) {
            Some((fd, caller)) => trunk::open(env, fd, caller),
            None => Err("no arguments".to_owned()),
        };
        let trunk = match opened {
            Ok(Some(trunk)) => trunk,
            Ok(None) => return string_or_null(env, None),
            Err(reason) => return string_or_null(env, Some(&reason)),
        };
        let mut object = ptr::null_mut();
        if napi_create_object(env, &raw mut object) != OK {
            return string_or_null(env, None);
        }
        napi_set_named_property(env, object, c"memory".as_ptr(), external_buffer(env, trunk.start(), BYTES));
        let address = trunk.address();
        export_with(env, object, c"ring", js_ring, address);
        export_with(env, object, c"close", js_close, address);
        object
    }
}

/// `ring()`: the gateway sleeps, and there is something for it.
unsafe extern "C" fn js_ring(env: Env, info: CallbackInfo) -> Value {
    // SAFETY: the data of this function is a trunk that lives as long as the process.
    if let Some(trunk) = unsafe { data(env, info).cast::<Trunk>().as_ref() } {
        trunk.ring();
    }
    ptr::null_mut()
}

/// `close()`: the gateway has let go.
unsafe extern "C" fn js_close(env: Env, info: CallbackInfo) -> Value {
    // SAFETY: as above.
    if let Some(trunk) = unsafe { data(env, info).cast::<Trunk>().as_ref() } {
        trunk.close();
    }
    ptr::null_mut()
}

/// The data of the function that is called.
///
/// # Safety
/// `env` and `info` are those of the running call.
unsafe fn data(env: Env, info: CallbackInfo) -> *mut c_void {
    let mut data = ptr::null_mut();
    // SAFETY: nothing but the data is asked for.
    unsafe { napi_get_cb_info(env, info, ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), &raw mut data) };
    data
}

/// A function of JavaScript that is called from the loop, each time in a turn of its own.
pub(crate) struct Caller {
    env: Env,
    context: *mut c_void,
    function: *mut c_void,
}

impl Caller {
    /// # Safety
    /// `env` is that of the running call, and `function` one of its values.
    unsafe fn new(env: Env, function: Value) -> Option<Self> {
        let (mut context, mut reference) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: as the caller promises; the context and the reference are never given back.
        unsafe {
            let name = string_or_null(env, Some("PLIMSOLL_TRUNK"));
            let status = napi_async_init(env, ptr::null_mut(), name, &raw mut context);
            if status != OK || napi_create_reference(env, function, 1, &raw mut reference) != OK {
                return None;
            }
        }
        Some(Self { env, context, function: reference })
    }

    /// Calls it; what it throws is an uncaught exception of the app.
    pub(crate) fn call(&self, number: u32) {
        let env = self.env;
        let Some(_scope) = Scope::open(env) else { return };
        let (mut function, mut argument, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: we are on the thread of `env`, called by its loop; the values live as long as the scope.
        unsafe {
            if napi_get_reference_value(env, self.function, &raw mut function) != OK
                || napi_create_uint32(env, number, &raw mut argument) != OK
            {
                return;
            }
            let arguments = [argument];
            let status = napi_make_callback(
                env,
                self.context,
                function,
                function,
                1,
                arguments.as_ptr(),
                &raw mut result,
            );
            if status == PENDING_EXCEPTION && napi_get_and_clear_last_exception(env, &raw mut result) == OK {
                napi_fatal_exception(env, result);
            }
        }
    }
}

/// # Safety
/// `env` and `info` are those of the running call.
unsafe fn two_arguments(env: Env, info: CallbackInfo) -> [Value; 2] {
    let mut count = 2;
    let mut arguments = [ptr::null_mut(); 2];
    // SAFETY: there is room for both; missing ones are written as `undefined`.
    unsafe {
        napi_get_cb_info(env, info, &raw mut count, arguments.as_mut_ptr(), ptr::null_mut(), ptr::null_mut());
    }
    arguments
}
