//! How long requests wait for one worker to begin them: each gateway thread notes that of its own oldest at every beat, and
//! whoever wants to know takes the longest.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<Vec<Weak<AtomicU32>>>);

impl Waits {
    /// Where one more thread notes its own, in milliseconds.
    pub(super) fn join(&self) -> Arc<AtomicU32> {
        let own = Arc::new(AtomicU32::new(0));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&own));
        own
    }

    pub(super) fn longest(&self) -> Duration {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ages = all.iter().filter_map(Weak::upgrade).map(|age| age.load(Relaxed));
        Duration::from_millis(ages.max().unwrap_or(0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_those_who_are_there_is_told() {
        let waits = Waits::default();
        assert_eq!(waits.longest(), Duration::ZERO);
        let (first, second) = (waits.join(), waits.join());
        first.store(7, Relaxed);
        second.store(30, Relaxed);
        assert_eq!(waits.longest(), Duration::from_millis(30));
        drop(second);
        assert_eq!(waits.longest(), Duration::from_millis(7));
    }
}
