//! Waiting on a state, never for a time.

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before the test calls it stuck. Not a figure that is tested.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `state` again and again until it gives something.
pub(crate) fn until<T>(what: &str, mut state: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = state() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "gave up waiting until {what}");
        pause(Duration::from_millis(10));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at a state that cannot be awaited, and in clients that are slow"
)]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
