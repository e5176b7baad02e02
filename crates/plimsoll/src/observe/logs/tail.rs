//! The last that a worker printed, for the message about its end. The drain notes it, so that it is complete however
//! far behind the processor is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

const BYTES_MAX: usize = 4096;

/// Shared by the drain and the supervisor; the lock is held for a copy of 4 KB at most.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    pub(super) fn push(&self, bytes: &[u8]) {
        let last = bytes.get(bytes.len().saturating_sub(BYTES_MAX)..).unwrap_or_default();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let excess = (kept.len() + last.len()).saturating_sub(BYTES_MAX);
        kept.drain(..excess);
        kept.extend(last);
    }

    /// The last lines that are not empty, at most `count`, oldest first.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let bytes: Vec<u8> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<String> = text
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(count)
            .map(str::to_owned)
            .collect();
        lines.reverse();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines_and_no_more() {
        let tail = Tail::default();
        tail.push(b"one\n\ntwo\n");
        assert_eq!(tail.last_lines(1), ["two"]);
        assert_eq!(tail.last_lines(5), ["one", "two"]);
        tail.push(&[b'x'; 10_000]);
        tail.push(b"\nend\n");
        assert_eq!(tail.0.lock().unwrap().len(), BYTES_MAX);
        assert_eq!(tail.last_lines(1), ["end"]);
    }
}
