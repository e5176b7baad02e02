//! What is asked of V8 and libuv beyond Node-API: a few functions of the `node` executable, found by name.
//!
//! libuv's are its public interface. V8's are not a stable one: those used here have had the same names and
//! signatures from Node 18 to 26, take and return plain words, and where one is missing the watchdog goes on without
//! what it gives. None of them runs JavaScript: the stack is read frame by frame, so that neither the app's
//! `Error.prepareStackTrace` nor its `Error.stackTraceLimit` has a part in it.
#![expect(unsafe_code, reason = "the functions are foreign and found by name")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::mem::transmute;
use std::ptr;

use crate::node_api::{self, Env};

type Pointer = *mut c_void;
/// `v8::Local<T>` as the calling convention passes it: one word, null where it is empty.
type Local = *mut c_void;
type HandleCallback = unsafe extern "C" fn(Pointer);
type Interrupt = unsafe extern "C" fn(Pointer, Pointer);
type Stop = unsafe extern "C" fn(Pointer) -> c_int;
type Close = unsafe extern "C" fn(Pointer, Pointer);
type OnReady = extern "C" fn(Pointer, c_int, c_int);
type IdleTime = unsafe extern "C" fn(Pointer) -> u64;
type RequestInterrupt = unsafe extern "C" fn(Pointer, Interrupt, Pointer);
type CurrentStack = unsafe extern "C" fn(Pointer, c_int, c_int) -> Local;
type Count = unsafe extern "C" fn(Local) -> c_int;
type FrameAt = unsafe extern "C" fn(Local, Pointer, c_uint) -> Local;
type Part = unsafe extern "C" fn(Local) -> Local;
/// Two 32-bit numbers, line and column from 0, which come back in one register.
type Location = unsafe extern "C" fn(Local) -> u64;
type HeapStatistics = unsafe extern "C" fn(Pointer, Pointer);
type GcCallback = unsafe extern "C" fn(Pointer, c_int, c_int, Pointer);

/// Frames that are read of a stack: what called the culprit matters, not how the server came to it.
const FRAMES_MAX: c_int = 32;
/// Line, column, names, evals, constructors, `sourceURL`, and frames of other contexts (`node:vm`).
const STACK_OPTIONS: c_int = 127 | 256;
/// Bytes of a handle: libuv's largest has 312.
const HANDLE_BYTES: usize = 512;
/// Scavenges, minor and major collections, incremental marking, weak callbacks.
const GC_ALL: c_int = 0b1_1111;
/// Words of `v8::HeapStatistics`: it has 14 or 15.
const STATISTICS_WORDS: usize = 64;
const UV_READABLE: c_int = 1;
const NAME_MAX: usize = 256;
const SCRIPT_MAX: usize = 1024;

/// The loop of the main thread, and what may be asked about it from another thread.
pub(crate) struct Loop {
    address: Pointer,
    idle_time: IdleTime,
}

// SAFETY: `uv_metrics_idle_time` may be called from any thread; the loop lives as long as its environment, and the
// watchdog does not ask after that.
unsafe impl Send for Loop {}

impl Loop {
    /// The loop of `env`, which calls `on_turn` before and after each time it waits.
    pub(crate) fn watch(env: Env, on_turn: HandleCallback) -> Option<Self> {
        let address = node_api::event_loop(env)?;
        for (init, start) in
            [(c"uv_prepare_init", c"uv_prepare_start"), (c"uv_check_init", c"uv_check_start")]
        {
            let handle = Box::leak(Box::new([0u128; HANDLE_BYTES / size_of::<u128>()]));
            let handle: Pointer = ptr::from_mut(handle).cast();
            // SAFETY: the functions are those of `uv.h`; the handle is larger than any of libuv's and never freed,
            // and we are on the loop's thread. Without a reference it does not keep the app alive.
            unsafe {
                let init: unsafe extern "C" fn(Pointer, Pointer) -> c_int = transmute(find(init)?);
                let start: unsafe extern "C" fn(Pointer, HandleCallback) -> c_int = transmute(find(start)?);
                let unref: unsafe extern "C" fn(Pointer) = transmute(find(c"uv_unref")?);
                init(address, handle);
                start(handle, on_turn);
                unref(handle);
            }
        }
        // SAFETY: as `uv.h` declares it.
        Some(Self {
            address,
            idle_time: unsafe { transmute::<Pointer, IdleTime>(find(c"uv_metrics_idle_time")?) },
        })
    }

    /// Nanoseconds that the loop has spent waiting; it grows while it waits.
    pub(crate) fn idle_ns(&self) -> u64 {
        // SAFETY: libuv guards the figures by a lock of its own.
        unsafe { (self.idle_time)(self.address) }
    }
}

/// A descriptor that the loop of an environment watches for reading. It does not keep the app alive.
pub(crate) struct Polled {
    handle: Pointer,
    stop: Stop,
    close: Close,
}

impl Polled {
    /// `on_ready` gets a handle that [`data`](Self::data) makes `data` of.
    pub(crate) fn start(env: Env, fd: c_int, on_ready: OnReady, data: Pointer) -> Option<Self> {
        let address = node_api::event_loop(env)?;
        let handle = Box::leak(Box::new([0u128; HANDLE_BYTES / size_of::<u128>()]));
        let handle: Pointer = ptr::from_mut(handle).cast();
        // SAFETY: as in `Loop::watch`; the handle's first word is the user's (`uv_handle_t.data`).
        unsafe {
            let init: unsafe extern "C" fn(Pointer, Pointer, c_int) -> c_int =
                transmute(find(c"uv_poll_init")?);
            let start: unsafe extern "C" fn(Pointer, c_int, OnReady) -> c_int =
                transmute(find(c"uv_poll_start")?);
            let unref: unsafe extern "C" fn(Pointer) = transmute(find(c"uv_unref")?);
            let polled = Self {
                handle,
                stop: transmute::<Pointer, Stop>(find(c"uv_poll_stop")?),
                close: transmute::<Pointer, Close>(find(c"uv_close")?),
            };
            if init(address, handle, fd) != 0 {
                return None;
            }
            handle.cast::<Pointer>().write(data);
            if start(handle, UV_READABLE, on_ready) != 0 {
                return None;
            }
            unref(handle);
            Some(polled)
        }
    }

    /// What was given to [`start`](Self::start), which lives as long as the process.
    pub(crate) fn data<'a, T>(handle: Pointer) -> Option<&'a T> {
        // SAFETY: the handle is one of ours, and its first word what `start` wrote there.
        unsafe { handle.cast::<*const T>().read().as_ref() }
    }

    /// Never again; on the loop's thread.
    pub(crate) fn stop(self) {
        // SAFETY: the handle was started and is closed once; its memory stays.
        unsafe {
            (self.stop)(self.handle);
            (self.close)(self.handle, ptr::null_mut());
        }
    }
}

/// Asks the engine of the main thread to look at itself.
pub(crate) struct Engine {
    isolate: Pointer,
    request_interrupt: RequestInterrupt,
}

// SAFETY: `RequestInterrupt` is made to be called from other threads.
unsafe impl Send for Engine {}

impl Engine {
    /// The engine of this thread; `None`: this Node has other names.
    pub(crate) fn current() -> Option<Self> {
        // SAFETY: as `v8-isolate.h` declares them.
        unsafe {
            let current: unsafe extern "C" fn() -> Pointer =
                transmute(find(c"_ZN2v87Isolate10GetCurrentEv")?);
            let request_interrupt = transmute::<Pointer, RequestInterrupt>(find(
                c"_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_",
            )?);
            let isolate = current();
            (!isolate.is_null()).then_some(Self { isolate, request_interrupt })
        }
    }

    /// For what may be asked on its own thread.
    pub(crate) fn isolate(&self) -> *mut c_void {
        self.isolate
    }

    /// `answer` is called on the main thread as soon as it runs JavaScript or returns to it.
    pub(crate) fn interrupt(&self, answer: Interrupt) {
        // SAFETY: the isolate lives; the engine's lock makes the call safe from any thread.
        unsafe { (self.request_interrupt)(self.isolate, answer, ptr::null_mut()) };
    }

    /// Has `before` and `after` called around each pause of the collector; nothing where this Node has other names.
    pub(crate) fn watch_collector(&self, before: GcCallback, after: GcCallback) {
        let names = [
            c"_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
            c"_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
        ];
        let [Some(prologue), Some(epilogue)] = names.map(find) else { return };
        for (add, callback) in [(prologue, before), (epilogue, after)] {
            // SAFETY: as `v8-isolate.h` declares both; the callbacks are never unloaded and call nothing of V8 but what
            // `HeapReader` reads.
            unsafe {
                let add: unsafe extern "C" fn(Pointer, GcCallback, Pointer, c_int) = transmute(add);
                add(self.isolate, callback, ptr::null_mut(), GC_ALL);
            }
        }
    }
}

/// Reads how full the heap is. Node does the same around each collection for its own `GCProfiler`, so it may be done there.
#[derive(Clone, Copy)]
pub(crate) struct HeapReader {
    read: HeapStatistics,
}

/// Bytes.
#[derive(Clone, Copy)]
pub(crate) struct Heap {
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

impl HeapReader {
    pub(crate) fn find() -> Option<Self> {
        let found = find(c"_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE")?;
        // SAFETY: as `v8-isolate.h` declares it: the object, and a pointer to what it fills in.
        Some(Self { read: unsafe { transmute::<Pointer, HeapStatistics>(found) } })
    }

    /// The heap of `isolate`. What the words mean is V8's own affair: whoever asks compares the limit with what
    /// JavaScript was told before anything is believed.
    ///
    /// # Safety
    /// Called on the thread of the isolate.
    pub(crate) unsafe fn read(self, isolate: Pointer) -> Heap {
        let mut words = [0u64; STATISTICS_WORDS];
        // SAFETY: the object is a row of words and much shorter than what it is given; zeroes are how it begins.
        unsafe { (self.read)(isolate, words.as_mut_ptr().cast()) };
        // total, executable, physical, available, used, limit
        let [_, _, _, _, used, limit, ..] = words;
        Heap { used, limit }
    }
}

/// Reads the stack of the main thread.
#[derive(Clone, Copy)]
pub(crate) struct Stack {
    current: CurrentStack,
    count: Count,
    frame: FrameAt,
    function: Part,
    script: Part,
    location: Location,
}

/// One frame: `function` is empty at the top of a script.
pub(crate) struct Frame {
    pub(crate) function: String,
    pub(crate) script: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Stack {
    pub(crate) fn find() -> Option<Self> {
        // SAFETY: as `v8-debug.h` declares them. A `Local` is one word that is trivial to copy, and so passed in a
        // register; a method's object is what its `Local` points with.
        unsafe {
            Some(Self {
                current: transmute::<Pointer, CurrentStack>(find(
                    c"_ZN2v810StackTrace17CurrentStackTraceEPNS_7IsolateEiNS0_17StackTraceOptionsE",
                )?),
                count: transmute::<Pointer, Count>(find(c"_ZNK2v810StackTrace13GetFrameCountEv")?),
                frame: transmute::<Pointer, FrameAt>(find(c"_ZNK2v810StackTrace8GetFrameEPNS_7IsolateEj")?),
                function: transmute::<Pointer, Part>(find(c"_ZNK2v810StackFrame15GetFunctionNameEv")?),
                script: transmute::<Pointer, Part>(find(c"_ZNK2v810StackFrame24GetScriptNameOrSourceURLEv")?),
                location: transmute::<Pointer, Location>(find(c"_ZNK2v810StackFrame11GetLocationEv")?),
            })
        }
    }

    /// The frames of the running JavaScript, innermost first, as long as `keep` wants more.
    ///
    /// # Safety
    /// Called in an interrupt of `isolate`, which is that of `env`.
    pub(crate) unsafe fn read(&self, env: Env, isolate: Pointer, mut keep: impl FnMut(Frame) -> bool) {
        let Some(_scope) = node_api::Scope::open(env) else { return };
        // SAFETY: we are on the thread of the isolate, inside it, and in a scope for the handles.
        unsafe {
            let trace = (self.current)(isolate, FRAMES_MAX, STACK_OPTIONS);
            if trace.is_null() {
                return;
            }
            for index in 0..(self.count)(trace).clamp(0, FRAMES_MAX) {
                let frame = (self.frame)(trace, isolate, index.cast_unsigned());
                if frame.is_null() || !keep(self.describe(env, frame)) {
                    return;
                }
            }
        }
    }

    /// # Safety
    /// As [`read`](Self::read); `frame` is one of its frames.
    unsafe fn describe(&self, env: Env, frame: Local) -> Frame {
        // SAFETY: as the caller promises.
        let (function, script, location) =
            unsafe { ((self.function)(frame), (self.script)(frame), (self.location)(frame)) };
        let [line, column] = [location as u32, (location >> 32) as u32].map(|number| number.wrapping_add(1));
        Frame {
            function: node_api::text::<NAME_MAX>(env, function),
            script: node_api::text::<SCRIPT_MAX>(env, script),
            line,
            column,
        }
    }
}

/// A function of the executable.
fn find(name: &CStr) -> Option<Pointer> {
    let name: *const c_char = name.as_ptr();
    // SAFETY: the name is NUL-terminated.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name) };
    (!found.is_null()).then_some(found)
}
