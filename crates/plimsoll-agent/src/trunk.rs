//! The worker's side of a trunk: see `plimsoll_wire::trunk`.
//!
//! The gateway's bell is watched by the app's own event loop. When it rings, each link that has something new is
//! handed to JavaScript in a turn of its own, as libuv does it with sockets: promises and ticks run in between.

use std::cell::Cell;
use std::os::fd::IntoRawFd as _;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use libc::c_int;
use plimsoll_wire::trunk::{self as wire, BITS, BYTES, LINKS, MAGIC, TO_WORKER, WORKER_SLEEPS};

use crate::engine::Polled;
use crate::node_api::{Caller, Env};
use crate::sys;

/// So long links are looked at again before the loop has its other events, and the watchdog sees it turn.
const ROUNDS_NS: u64 = 500_000;

/// Never freed: the loop knows it by its address, and JavaScript the memory.
pub(crate) struct Trunk {
    words: sys::Words,
    worker_bell: c_int,
    gateway_bell: c_int,
    caller: Caller,
    polled: Cell<Option<Polled>>,
    is_closed: Cell<bool>,
}

/// Takes the trunk that has come on the connection `fd`; `None`: nothing has come yet.
///
/// # Errors
/// Why it cannot be used.
pub(crate) fn open(env: Env, fd: c_int, caller: Caller) -> Result<Option<&'static Trunk>, String> {
    let Some([file, worker_bell, gateway_bell]) =
        sys::receive(fd).map_err(|error| format!("receive: {error}"))?
    else {
        return Ok(None);
    };
    let found = sys::inspect(&file).map_err(|error| format!("stat: {error}"))?;
    if found.length != BYTES as u64 {
        return Err(format!("{} bytes long, not {BYTES}", found.length));
    }
    let start = sys::map_shared(&file, BYTES).map_err(|error| format!("map: {error}"))?;
    let says = sys::first_words(start);
    if says != [MAGIC, u32::from(plimsoll_wire::VERSION), LINKS as u32] {
        return Err(format!("says {says:?}"));
    }
    let trunk: &'static Trunk = Box::leak(Box::new(Trunk {
        words: sys::Words::new(start),
        worker_bell: worker_bell.into_raw_fd(),
        gateway_bell: gateway_bell.into_raw_fd(),
        caller,
        polled: Cell::new(None),
        is_closed: Cell::new(false),
    }));
    trunk.sleep();
    let polled = Polled::start(env, trunk.worker_bell, on_bell, trunk.address()).ok_or("not polled")?;
    trunk.polled.set(Some(polled));
    Ok(Some(trunk))
}

extern "C" fn on_bell(handle: *mut std::ffi::c_void, _status: c_int, _events: c_int) {
    if let Some(trunk) = Polled::data::<Trunk>(handle) {
        trunk.heed();
    }
}

impl Trunk {
    pub(crate) fn start(&self) -> *mut std::ffi::c_void {
        self.words.start()
    }

    pub(crate) fn address(&'static self) -> *mut std::ffi::c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// Wakes the gateway.
    pub(crate) fn ring(&self) {
        if !self.is_closed.get() {
            sys::ring(self.gateway_bell);
        }
    }

    /// The gateway has let go of it.
    pub(crate) fn close(&self) {
        if let Some(polled) = self.polled.take() {
            self.is_closed.set(true);
            polled.stop();
            sys::close(self.worker_bell);
            sys::close(self.gateway_bell);
        }
    }

    fn word(&self, index: usize) -> &AtomicU32 {
        self.words.get(index)
    }

    fn sleep(&self) {
        wire::doze(self.word(WORKER_SLEEPS));
    }

    fn has_news(&self) -> bool {
        (0..BITS).any(|index| self.word(TO_WORKER + index).load(SeqCst) != 0)
    }

    fn heed(&self) {
        sys::hush(self.worker_bell);
        let began = sys::now_ns();
        loop {
            self.word(WORKER_SLEEPS).store(0, SeqCst);
            for index in 0..BITS {
                self.deliver(index);
            }
            self.sleep();
            if self.is_closed.get() || !self.has_news() {
                return;
            }
            if sys::now_ns().saturating_sub(began) > ROUNDS_NS {
                break;
            }
        }
        // The loop goes round before the next look.
        sys::ring(self.worker_bell);
    }

    fn deliver(&self, index: usize) {
        let mut bits = wire::hear(self.word(TO_WORKER + index));
        while bits != 0 {
            self.caller.call(index as u32 * u32::BITS + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }
}
