//! How many requests a worker may have been sent that it has not claimed.
//!
//! A worker that shows that it takes what it is sent may have more; one that was late begins again with few, and so
//! does a fresh one, whose code is not compiled yet. What cannot be sent waits in the gateway, where it can still go
//! to any worker, instead of in the socket of one.

/// What a fresh worker may have.
const FIRST: usize = 8;
/// More than this in a worker's sockets serves nobody: Node takes at most some hundred requests in one turn.
const MOST: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    size: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: FIRST }
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
        self.size = (self.size.min(unclaimed) / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_claims_and_shrinks_with_lateness() {
        let mut window = Window::default();
        assert!(window.has_room(FIRST - 1) && !window.has_room(FIRST));
        for _ in 0..8 {
            window.claimed();
        }
        assert!(window.has_room(15) && !window.has_room(16));
        window.late(6);
        assert!(window.has_room(2) && !window.has_room(3));
        for _ in 0..9 {
            window.late(100);
        }
        assert!(window.has_room(0) && !window.has_room(1), "one request is always allowed");
        for _ in 0..10_000 {
            window.claimed();
        }
        assert!(window.has_room(MOST - 1) && !window.has_room(MOST));
    }
}
