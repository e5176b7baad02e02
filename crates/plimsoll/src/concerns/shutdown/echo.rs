//! One order to stop that arrives as two signals.
//!
//! `timeout` signals its child and then its whole process group, `npm` passes on what the terminal has given to the
//! group already, and so do some process managers. Taken for two orders, these would cut every request of a stop that was
//! meant to be an orderly one.

use std::time::{Duration, Instant};

/// Signals that follow the first so closely are the same order. It is longer than a busy `npm` takes to pass one on,
/// and shorter than two presses of Ctrl-C that are meant as two; whoever hammers the keys is heard at the third.
const WINDOW: Duration = Duration::from_millis(250);

/// Tells echoes of the first signal from orders.
#[derive(Debug, Default)]
pub struct Echo {
    first: Option<Instant>,
}

impl Echo {
    /// A signal to stop has come: is it only the echo of the first?
    pub fn hears(&mut self, now: Instant) -> bool {
        match self.first {
            Some(first) => now.saturating_duration_since(first) < WINDOW,
            None => {
                self.first = Some(now);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_the_first_closely_is_an_echo() {
        let start = Instant::now();
        let mut echo = Echo::default();
        let table =
            [(0, false), (0, true), (1, true), (249, true), (250, false), (251, false), (9999, false)];
        for (after_ms, expected) in table {
            assert_eq!(echo.hears(start + Duration::from_millis(after_ms)), expected, "{after_ms} ms");
        }
    }
}
