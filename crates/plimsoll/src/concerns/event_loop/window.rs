//! How many requests a worker may have been sent that it has not claimed.
//!
//! A worker that shows that it takes what it is sent may have more; one that was late begins again with few, and so
//! does a fresh one, whose code is not compiled yet. What cannot be sent waits in the gateway, where it can still go
//! to any worker, instead of in the socket of one.

/// What a worker may always have, once it is no longer late. Node takes all that has arrived in one turn of its loop;
/// on a machine that is short of CPU a turn takes some 20 ms, and fewer than these would make the window the limit.
const LEAST: usize = 32;
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

    /// A request was claimed in time. One more for each: the window doubles with every round, like the slow start of
    /// TCP (RFC 5681 §3.1).
    pub fn claimed(&mut self) {
        self.size = (self.size + 1).min(MOST);
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
            window.claimed();
        }
        assert!(window.has_room(2 * LEAST - 1) && !window.has_room(2 * LEAST));
        window.late(1000);
        assert!(window.has_room(LEAST - 1) && !window.has_room(LEAST));
        for _ in 0..9 {
            window.late(3);
        }
        assert!(window.has_room(LEAST - 1), "some are always allowed");
        for _ in 0..10_000 {
            window.claimed();
        }
        assert!(window.has_room(MOST - 1) && !window.has_room(MOST));
    }
}
