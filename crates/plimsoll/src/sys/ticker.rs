//! A clock that beats while somebody wants it to, for threads that sleep in `epoll_wait`.
//!
//! A timer of tokio's is the time-out of each `epoll_wait`, and the kernel sets the processor's own timer for it each time
//! that the thread goes to sleep. On a virtual machine that is an exit to the hypervisor: with a beat of 2.5 ms it cost
//! a gateway thread 1.6 of 11.8 µs per request. A timer in a descriptor is set once per beat. It is never read: setting it
//! again takes back that it has gone off.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::readiness;

#[derive(Debug)]
pub struct Ticker {
    period: Duration,
    /// `None`: the process had no descriptor left for it. Then tokio's timer has to do.
    timer: Option<AsyncFd<OwnedFd>>,
}

impl Ticker {
    /// Needs a runtime to be entered.
    #[must_use]
    pub fn new(period: Duration) -> Self {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC);
        let watched =
            timer.map_err(io::Error::from).and_then(|timer| readiness::register(timer, Interest::READABLE));
        Self { period, timer: watched.ok() }
    }

    /// One period from now. Whoever does not wait for its end has the thread woken once, for nothing.
    pub async fn beat(&self) {
        let Some(timer) = &self.timer else { return tokio::time::sleep(self.period).await };
        // It may have gone off after somebody gave it up.
        let _stale = timer.try_io(Interest::READABLE, |_| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        let once = Timespec::try_from(self.period).unwrap_or_default();
        // Fails only for a descriptor that is none, or times that make no sense.
        let _set = timerfd_settime(
            timer.get_ref(),
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: Timespec::default(), it_value: once },
        );
        match timer.readable().await {
            Ok(mut guard) => guard.clear_ready(),
            // The runtime ends, and nobody comes back here.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn each_beat_comes_one_period_after_it_is_asked_for() {
        runtime().block_on(async {
            let period = Duration::from_millis(2);
            let ticker = Ticker::new(period);
            for _ in 0..5 {
                let asked = Instant::now();
                ticker.beat().await;
                assert!(asked.elapsed() >= period, "a beat that nobody waited for is none");
                // A beat that is given up must not shorten the next.
                let _early = tokio::time::timeout(Duration::from_millis(1), ticker.beat()).await;
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        });
    }
}
