//! Tells the supervisor, once each time it asks, that a request has come: it looks after its workers while they have
//! work, and sleeps while none has.

use std::sync::atomic::{AtomicBool, Ordering, fence};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Work {
    is_awaited: AtomicBool,
    came: Notify,
}

impl Work {
    /// From now on the next request is told. Who then finds all workers idle misses none.
    pub(super) fn expect(&self) {
        self.is_awaited.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// A request was sent; it is counted by now.
    pub(super) fn begins(&self) {
        fence(Ordering::SeqCst);
        if self.is_awaited.load(Ordering::Relaxed) && self.is_awaited.swap(false, Ordering::Relaxed) {
            self.came.notify_one();
        }
    }

    pub(super) async fn came(&self) {
        self.came.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_request_after_the_question_is_told() {
        let work = Work::default();
        work.begins();
        let is_told = || async { tokio::time::timeout(std::time::Duration::ZERO, work.came()).await.is_ok() };
        assert!(!is_told().await, "nobody had asked");
        work.expect();
        assert!(!is_told().await);
        work.begins();
        work.begins();
        assert!(is_told().await);
        assert!(!is_told().await, "it is told once");
    }
}
