//! Waiting for a state from outside a process: there is nothing to be woken by, so it is looked at again and again.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Short against what is waited for (a server that starts, a process that ends), long against the look itself.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What is started on a machine that is busy with other contenders, up to eight workers or a database, may take so long.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(30);

/// Looks until `look` finds something.
pub(crate) fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("{what} did not happen within {} s", limit.as_secs());
        }
        pause(LOOK_EVERY);
    }
}

/// Lets time pass: a load generator is paced by the clock and nothing else.
#[expect(clippy::disallowed_methods, reason = "pacing a measurement has no state to wait for")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
