//! The edge to Node: raw Node-API, as `node_api.h` declares it.
//!
//! The `napi_*` symbols are those of the `node` executable that loads the addon. Only calls of Node-API
//! versions 1 to 3 are used, which every Node since 10 has.
//!
//! No JavaScript exception is ever thrown from here: what cannot be told is `null`, or an export that is
//! missing, and `js/addon.js` copes with both.
#![expect(unsafe_code, reason = "the calls into Node are foreign functions")]

mod trunk;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use plimsoll_wire::page::BYTES;
use plimsoll_wire::stall::mark;

pub(crate) use self::trunk::Caller;
use crate::peer_name::peer_name;
use crate::{page, watchdog};

/// `napi_env`, `napi_value` and `napi_callback_info` are opaque pointers that Node owns.
pub(crate) type Env = *mut c_void;
type Value = *mut c_void;
type CallbackInfo = *mut c_void;
type Status = c_int;
type Callback = unsafe extern "C" fn(Env, CallbackInfo) -> Value;
type Finalize = unsafe extern "C" fn(Env, *mut c_void, *mut c_void);

type Hook = unsafe extern "C" fn(*mut c_void);

const OK: Status = 0;
const PENDING_EXCEPTION: Status = 10;

/// A reference to the function that tells the request in whose context it is called.
static ASK: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Longest path that is looked at, with its NUL: PATH_MAX of Linux.
const PATH_MAX: usize = 4096;

unsafe extern "C" {
    fn napi_create_function(
        env: Env,
        name: *const c_char,
        length: usize,
        callback: Callback,
        data: *mut c_void,
        result: *mut Value,
    ) -> Status;
    fn napi_set_named_property(env: Env, object: Value, name: *const c_char, value: Value) -> Status;
    fn napi_get_cb_info(
        env: Env,
        info: CallbackInfo,
        count: *mut usize,
        arguments: *mut Value,
        this: *mut Value,
        data: *mut *mut c_void,
    ) -> Status;
    fn napi_get_value_int32(env: Env, value: Value, result: *mut i32) -> Status;
    fn napi_create_string_utf8(env: Env, text: *const c_char, length: usize, result: *mut Value) -> Status;
    fn napi_get_value_string_utf8(
        env: Env,
        value: Value,
        text: *mut c_char,
        size: usize,
        length: *mut usize,
    ) -> Status;
    fn napi_create_external_arraybuffer(
        env: Env,
        start: *mut c_void,
        length: usize,
        finalize: Option<Finalize>,
        hint: *mut c_void,
        result: *mut Value,
    ) -> Status;
    fn napi_get_null(env: Env, result: *mut Value) -> Status;
    fn napi_get_uv_event_loop(env: Env, result: *mut *mut c_void) -> Status;
    fn napi_add_env_cleanup_hook(env: Env, hook: Hook, data: *mut c_void) -> Status;
    fn napi_open_handle_scope(env: Env, result: *mut *mut c_void) -> Status;
    fn napi_close_handle_scope(env: Env, scope: *mut c_void) -> Status;
    fn napi_create_reference(env: Env, value: Value, count: u32, result: *mut *mut c_void) -> Status;
    fn napi_get_reference_value(env: Env, reference: *mut c_void, result: *mut Value) -> Status;
    fn napi_get_undefined(env: Env, result: *mut Value) -> Status;
    fn napi_call_function(
        env: Env,
        this: Value,
        function: Value,
        count: usize,
        arguments: *const Value,
        result: *mut Value,
    ) -> Status;
    fn napi_get_and_clear_last_exception(env: Env, result: *mut Value) -> Status;
}

/// Called by Node when the addon is loaded; `exports` is what `require` returns.
///
/// # Safety
/// Only Node calls this, with an environment and an object that live for the call.
#[unsafe(no_mangle)]
unsafe extern "C" fn napi_register_module_v1(env: Env, exports: Value) -> Value {
    // SAFETY: `env` and `exports` are Node's own, for this call.
    unsafe {
        export(env, exports, c"peerName", js_peer_name);
        export(env, exports, c"mapPage", js_map_page);
        export(env, exports, c"watch", js_watch);
        export(env, exports, c"wake", js_wake);
        export(env, exports, c"left", js_left);
        export(env, exports, c"follow", js_follow);
        export(env, exports, c"tellAllocated", js_tell_allocated);
        export(env, exports, c"openTrunk", trunk::js_open);
    };
    exports
}

/// # Safety
/// `env` and `object` are those of the running call.
unsafe fn export(env: Env, object: Value, name: &CStr, callback: Callback) {
    // SAFETY: as the caller promises.
    unsafe { export_with(env, object, name, callback, ptr::null_mut()) };
}

/// As [`export`], of a function that gets `data`.
///
/// # Safety
/// As there; what `data` points to lives as long as the process.
unsafe fn export_with(env: Env, object: Value, name: &CStr, callback: Callback, data: *mut c_void) {
    let mut function = ptr::null_mut();
    // SAFETY: `name` is NUL-terminated and outlives both calls, which copy it; `function` is read only after
    // Node said that it was written.
    unsafe {
        let length = name.to_bytes().len();
        if napi_create_function(env, name.as_ptr(), length, callback, data, &raw mut function) == OK {
            napi_set_named_property(env, object, name.as_ptr(), function);
        }
    }
}

/// `peerName(fd)` → string or null.
unsafe extern "C" fn js_peer_name(env: Env, info: CallbackInfo) -> Value {
    // SAFETY: `env` and `info` are Node's own, for this call.
    let name = unsafe { first_integer(env, info) }.and_then(peer_name);
    // SAFETY: as above.
    unsafe { string_or_null(env, name.as_deref()) }
}

/// `mapPage(path)` → `ArrayBuffer`, a string that says why there is none, or null where Node has no buffers over
/// memory that it does not own (builds with compressed pointers).
unsafe extern "C" fn js_map_page(env: Env, info: CallbackInfo) -> Value {
    let mut path = [0u8; PATH_MAX];
    // SAFETY: `env` and `info` are Node's own, for this call.
    let mapped = match unsafe { first_path(env, info, &mut path) } {
        Some(path) => page::map(path),
        None => Err("the path is not one".to_owned()),
    };
    match mapped {
        // SAFETY: `env` is that of the running call; the page is `BYTES` long and never unmapped.
        Ok(start) => unsafe { external_buffer(env, start, BYTES) },
        // SAFETY: `env` is that of the running call.
        Err(reason) => unsafe { string_or_null(env, Some(&reason)) },
    }
}

/// `watch(path, threshold, pause)` → `ArrayBuffer` of the words in `plimsoll_wire::stall::mark`, or null where nothing is
/// watched. `path` is that of the supervisor's channel.
unsafe extern "C" fn js_watch(env: Env, info: CallbackInfo) -> Value {
    let mut path = [0u8; PATH_MAX];
    // SAFETY: `env` and `info` are Node's own, for this call.
    let (path, [threshold, pause]) =
        unsafe { (first_path(env, info, &mut path), integers_after_path(env, info)) };
    let started = path.zip(threshold.zip(pause)).and_then(|(path, (threshold, pause))| {
        let thresholds = [threshold, pause].map(|ms| u32::try_from(ms).unwrap_or(0));
        watchdog::start(env, path.to_str().ok()?, thresholds)
    });
    match started {
        // SAFETY: `env` is that of the running call; the words are never freed.
        Some(marks) => unsafe { external_buffer(env, marks.cast(), mark::WORDS * size_of::<u32>()) },
        // SAFETY: `env` is that of the running call.
        None => unsafe { string_or_null(env, None) },
    }
}

/// `wake()`: a request is claimed while the watchdog sleeps.
unsafe extern "C" fn js_wake(_env: Env, _info: CallbackInfo) -> Value {
    watchdog::wake();
    ptr::null_mut()
}

/// `left()`: the marked part that took long is over.
unsafe extern "C" fn js_left(_env: Env, _info: CallbackInfo) -> Value {
    watchdog::left();
    ptr::null_mut()
}

/// `tellAllocated()`: writes down how much has been allocated.
unsafe extern "C" fn js_tell_allocated(_env: Env, _info: CallbackInfo) -> Value {
    watchdog::tell_allocated();
    ptr::null_mut()
}

/// `follow(ask)`: requests are followed from now on, and `ask()` writes the one of the context that it is called in.
unsafe extern "C" fn js_follow(env: Env, info: CallbackInfo) -> Value {
    let mut reference = ptr::null_mut();
    // SAFETY: `env` and `info` are Node's own, for this call. The reference is never given back.
    let status = unsafe {
        match first_argument(env, info) {
            Some(ask) => napi_create_reference(env, ask, 1, &raw mut reference),
            None => return ptr::null_mut(),
        }
    };
    if status == OK {
        ASK.store(reference, Ordering::Release);
    }
    ptr::null_mut()
}

/// Requests are followed.
pub(crate) fn follows() -> bool {
    !ASK.load(Ordering::Acquire).is_null()
}

/// Has the running context's request written down, on the thread of `env`; false where it is not known.
pub(crate) fn ask_context(env: Env) -> bool {
    let reference = ASK.load(Ordering::Acquire);
    if reference.is_null() {
        return false;
    }
    let Some(_scope) = Scope::open(env) else { return false };
    let (mut ask, mut this, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: we are on the thread of `env`, which runs JavaScript; the values live as long as the scope. An exception
    // (the stack may be full) must not be left for the app to find.
    unsafe {
        if napi_get_reference_value(env, reference, &raw mut ask) != OK
            || ask.is_null()
            || napi_get_undefined(env, &raw mut this) != OK
        {
            return false;
        }
        let status = napi_call_function(env, this, ask, 0, ptr::null(), &raw mut result);
        if status == PENDING_EXCEPTION {
            napi_get_and_clear_last_exception(env, &raw mut result);
        }
        status == OK
    }
}

/// libuv's loop of the environment.
pub(crate) fn event_loop(env: Env) -> Option<*mut c_void> {
    let mut found = ptr::null_mut();
    // SAFETY: callers are inside a call from Node with its `env`.
    let status = unsafe { napi_get_uv_event_loop(env, &raw mut found) };
    (status == OK && !found.is_null()).then_some(found)
}

/// Has `hook` called before the environment is taken down.
pub(crate) fn at_end(env: Env, hook: Hook) -> bool {
    // SAFETY: callers are inside a call from Node with its `env`; `hook` is never unloaded.
    unsafe { napi_add_env_cleanup_hook(env, hook, ptr::null_mut()) == OK }
}

/// A scope for handles, closed when it is dropped.
pub(crate) struct Scope {
    env: Env,
    scope: *mut c_void,
}

impl Scope {
    pub(crate) fn open(env: Env) -> Option<Self> {
        let mut scope = ptr::null_mut();
        // SAFETY: callers are on the thread of `env`, which lives.
        let status = unsafe { napi_open_handle_scope(env, &raw mut scope) };
        (status == OK).then_some(Self { env, scope })
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // SAFETY: the scope was opened with this `env` and is closed once.
        unsafe { napi_close_handle_scope(self.env, self.scope) };
    }
}

/// The text of a string handle, cut at `N` bytes; empty for an empty handle or what is no string.
pub(crate) fn text<const N: usize>(env: Env, value: *mut c_void) -> String {
    let mut bytes = [0u8; N];
    let mut length = 0;
    if value.is_null() {
        return String::new();
    }
    // SAFETY: callers have `value` from the engine, in an open scope; at most `N` bytes are written.
    let status =
        unsafe { napi_get_value_string_utf8(env, value, bytes.as_mut_ptr().cast(), N, &raw mut length) };
    let text = bytes.get(..length).filter(|_| status == OK).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The second and the third argument.
///
/// # Safety
/// `env` and `info` are those of the running call.
unsafe fn integers_after_path(env: Env, info: CallbackInfo) -> [Option<i32>; 2] {
    let mut count = 3;
    let mut arguments = [ptr::null_mut(); 3];
    // SAFETY: there is room for the three arguments that `count` asks for; missing ones are written as undefined.
    let status = unsafe {
        napi_get_cb_info(env, info, &raw mut count, arguments.as_mut_ptr(), ptr::null_mut(), ptr::null_mut())
    };
    let [_, second, third] = arguments;
    [second, third].map(|argument| {
        let mut number = 0;
        // SAFETY: as above; Node checks that it is a number.
        let is_one = status == OK && unsafe { napi_get_value_int32(env, argument, &raw mut number) } == OK;
        is_one.then_some(number)
    })
}

/// # Safety
/// `env` and `info` are those of the running call.
unsafe fn first_argument(env: Env, info: CallbackInfo) -> Option<Value> {
    let mut count = 1;
    let mut argument = ptr::null_mut();
    // SAFETY: there is room for the one argument that `count` asks for; a missing one is written as `undefined`.
    let status = unsafe {
        napi_get_cb_info(env, info, &raw mut count, &raw mut argument, ptr::null_mut(), ptr::null_mut())
    };
    (status == OK).then_some(argument)
}

/// # Safety
/// `env` and `info` are those of the running call.
unsafe fn first_integer(env: Env, info: CallbackInfo) -> Option<i32> {
    let mut number = 0;
    // SAFETY: Node checks that the argument is a number.
    let status = unsafe { napi_get_value_int32(env, first_argument(env, info)?, &raw mut number) };
    (status == OK).then_some(number)
}

/// # Safety
/// `env` and `info` are those of the running call.
unsafe fn first_path(env: Env, info: CallbackInfo, room: &mut [u8; PATH_MAX]) -> Option<&CStr> {
    let mut length = 0;
    // SAFETY: Node checks that the argument is a string, writes at most `PATH_MAX` bytes and ends them with NUL.
    let status = unsafe {
        let argument = first_argument(env, info)?;
        napi_get_value_string_utf8(env, argument, room.as_mut_ptr().cast(), PATH_MAX, &raw mut length)
    };
    // A longer path was cut; a path that has NUL within is no path.
    let is_whole = status == OK && length < PATH_MAX - 1;
    CStr::from_bytes_with_nul(room.get(..=length)?).ok().filter(|_| is_whole)
}

/// # Safety
/// `env` is that of the running call; `start` is readable and writable for `length` bytes until the process ends.
unsafe fn external_buffer(env: Env, start: *mut c_void, length: usize) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: as this function's caller promises; nothing need be done when the buffer is collected.
    unsafe {
        if napi_create_external_arraybuffer(env, start, length, None, ptr::null_mut(), &raw mut value) != OK {
            return string_or_null(env, None);
        }
    }
    value
}

/// # Safety
/// `env` is that of the running call.
unsafe fn string_or_null(env: Env, text: Option<&str>) -> Value {
    let mut value = ptr::null_mut();
    // SAFETY: `text` is readable for its length and is copied; a null `Value` means `undefined` to Node, so a
    // failed call needs no handling.
    unsafe {
        match text {
            Some(text) => napi_create_string_utf8(env, text.as_ptr().cast(), text.len(), &raw mut value),
            None => napi_get_null(env, &raw mut value),
        };
    }
    value
}
