//! How many requests a worker may have been sent that it has not claimed.
//!
//! A worker that shows that it takes what it is sent may have more; one that was late begins again with few, and so
//! does a fresh one, whose code is not compiled yet. What cannot be sent waits in the gateway, where it can still go
//! to any worker, instead of in the socket of one.

use std::time::Duration;

/// What a worker may always have, once it is no longer late. Node takes all that has arrived in one turn of its loop;
/// on a machine that is short of CPU a turn takes some 20 ms, and fewer than these would make the window the limit.
const LEAST: usize = 32;
/// Claims of requests that waited for less widen the window, those of requests that waited for more narrow it. What the
/// worker cannot take within that time waits in the gateway: there it is seen how long the queue is.
const PROMPT: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_millis(20);
/// More than this in a worker's sockets serves nobody: Node takes at most some hundred requests in one turn.
const MOST: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    size: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: LEAST }
    }
}

impl Window {
    #[must_use]
    pub fn has_room(&self, unclaimed: usize) -> bool {
        unclaimed < self.size
    }

    /// A request was claimed after `age`. One more for each that was claimed promptly: the window doubles with every
    /// round, like the slow start of TCP (RFC 5681 §3.1).
    pub fn claimed(&mut self, age: Duration) {
        if age <= PROMPT {
            self.size = (self.size + 1).min(MOST);
        } else if age > SLOW {
            self.size = (self.size - 1).max(LEAST);
        }
    }

    /// The worker became late with so many unclaimed: that was too much by half, at least.
    pub fn late(&mut self, unclaimed: usize) {
        self.size = (self.size.min(unclaimed) / 2).max(LEAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_claims_and_shrinks_with_lateness() {
        let mut window = Window::default();
        assert!(window.has_room(LEAST - 1) && !window.has_room(LEAST));
        for _ in 0..LEAST {
            window.claimed(PROMPT);
        }
        assert!(window.has_room(2 * LEAST - 1) && !window.has_room(2 * LEAST));
        window.late(1000);
        assert!(window.has_room(LEAST - 1) && !window.has_room(LEAST));
        for _ in 0..9 {
            window.late(3);
        }
        assert!(window.has_room(LEAST - 1), "some are always allowed");
        for _ in 0..10_000 {
            window.claimed(PROMPT);
        }
        assert!(window.has_room(MOST - 1) && !window.has_room(MOST));
    }

    /// The window after a worker that needs so long for each request was kept full for a while.
    fn settled(each: Duration) -> usize {
        let mut window = Window::default();
        for _ in 0..10_000 {
            // Who was sent last waits for all before it.
            window.claimed(each * u32::try_from(window.size).unwrap());
        }
        window.size
    }

    #[test]
    fn a_worker_has_what_it_takes_in_some_milliseconds() {
        let us = Duration::from_micros;
        assert_eq!([settled(us(10)), settled(us(2000)), settled(us(10_000))], [MOST, LEAST, LEAST]);
        assert!((100..=200).contains(&settled(us(100))), "{}", settled(us(100)));
        let mut window = Window { size: MOST };
        for _ in 0..MOST {
            window.claimed(SLOW + us(1));
        }
        assert_eq!(window.size, LEAST, "it narrows when requests have become slower");
    }
}
