//! Sleeping for some microseconds, and not for twice as long.

use std::num::NonZeroU64;
use std::time::Duration;

/// Has the naps of this thread end when they should. By default the kernel may be late by 50 µs, to wake a processor for
/// several threads at once.
pub fn be_exact() {
    // Fails only on kernels that are too old to have it, where naps are longer.
    let _set = rustix::thread::set_current_timer_slack(NonZeroU64::new(1000));
}

/// Does nothing for so long, deaf to everything.
#[expect(clippy::disallowed_methods, reason = "nothing but time is waited for, and not for long")]
pub fn take(duration: Duration) {
    std::thread::sleep(duration);
}
