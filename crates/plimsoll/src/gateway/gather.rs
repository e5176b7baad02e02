//! A busy gateway thread lets events gather before it goes on.
//!
//! A thread that sleeps until the next event is woken for nearly each answer of a worker that is busy too: the two take turns.
//! Each time that costs a few microseconds here, and as much in the worker, which has to interrupt our processor; on a
//! virtual machine both are exits to the hypervisor. So a thread that would be woken again at once first naps, deaf to
//! its sockets, and then takes all that came meanwhile together, as network cards do with their interrupts. Worker and gateway
//! then need less for each request, and more requests go through.
//!
//! The price is time, so it is bounded by what requests take anyway: a nap is at most an eighth of that (by Little's law:
//! requests in flight / requests per second), at most a quarter of what the quick ones among them take, and at most
//! [`NAP_MAX`]. It is taken only where another event is expected meanwhile. A client that waits for its only request never
//! meets one. (Eighth and one were the best of five pairs tried, for 4, 8 and 16 connections of wrk; the median of the latency
//! was lower than without naps from 4 on.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::observe::http::ThreadStats;
use crate::sys::nap;

/// With naps of at most 100 µs a list by Express needed 42.8 to 46.9 µs of CPU for each request (of gateway and workers together: Node 24,
/// two CPUs, 64 connections of wrk, the least of six turns each), with 150 µs 43.0 to 46.0, with 200 µs 40.7 to 42.3, with 300 and
/// 400 µs 38.8 to 43.5; and 36 to 39 thousand requests a second went through instead of 34.
const NAP_MAX: Duration = Duration::from_micros(200);
/// Shorter ones are not worth the timer.
const NAP_MIN: Duration = Duration::from_micros(10);
/// So long is looked at to know how often requests come.
const WINDOW: Duration = Duration::from_millis(1);

/// Asked by one thread only, each time that it has nothing to do.
#[derive(Debug)]
pub(super) struct Gather {
    stats: Arc<ThreadStats>,
    since: Instant,
    /// Where the window began, after `since`, in nanoseconds; and the requests of the thread until then.
    window_at: AtomicU64,
    window_requests: AtomicU64,
    /// Nanoseconds from request to request in the window before; 0: there was none.
    period: AtomicU64,
}

impl Gather {
    /// For the thread that calls it.
    pub(super) fn new(stats: &Arc<ThreadStats>) -> Self {
        nap::be_exact();
        Self {
            stats: Arc::clone(stats),
            since: Instant::now(),
            window_at: AtomicU64::new(0),
            window_requests: AtomicU64::new(0),
            period: AtomicU64::new(0),
        }
    }

    /// The thread has nothing to do, and would sleep until the next event.
    pub(super) fn before_sleep(&self) {
        let (active, quick) = (self.stats.requests_active.get(), self.stats.quick.get());
        if let Some(nap) = nap_of(self.period(Instant::now()), active, quick) {
            nap::take(nap);
        }
    }

    /// How long it is from request to request now.
    fn period(&self, now: Instant) -> Duration {
        let now = nanos(now.saturating_duration_since(self.since));
        let elapsed = now.saturating_sub(self.window_at.load(Relaxed));
        if elapsed >= nanos(WINDOW) {
            let requests = self.stats.requests_total.get();
            let came = requests.saturating_sub(self.window_requests.swap(requests, Relaxed));
            self.window_at.store(now, Relaxed);
            self.period.store(elapsed.checked_div(came).unwrap_or(0), Relaxed);
        }
        Duration::from_nanos(self.period.load(Relaxed))
    }
}

/// How long to nap when a request comes each `period` (zero: none come), `active` are in flight, and the quick ones take `quick`.
fn nap_of(period: Duration, active: u64, quick: Duration) -> Option<Duration> {
    let takes = period.saturating_mul(u32::try_from(active).unwrap_or(u32::MAX));
    let nap = (takes / 8).min(quick / 4).min(NAP_MAX);
    // A request is two events: it comes, and its answer does.
    let gathers = !period.is_zero() && nap >= period / 2;
    (gathers && nap >= NAP_MIN).then_some(nap)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn a_nap_is_short_beside_what_requests_take() {
        for (name, period, active, quick, nap) in [
            ("nothing comes", us(0), 0, us(900), None),
            ("one client at a time waits for its answer", us(60), 1, us(900), None),
            ("few in flight: nobody else would come meanwhile", us(80), 3, us(900), None),
            ("few in flight, often: too short", us(20), 3, us(900), None),
            ("an eighth, when one more event comes meanwhile", us(20), 4, us(900), Some(us(10))),
            ("many in flight", us(20), 32, us(900), Some(us(80))),
            ("never longer than that", us(20), 10_000, us(900), Some(NAP_MAX)),
            ("long requests, often", us(400), 5_000, us(900), Some(NAP_MAX)),
            ("long requests, seldom: each is taken at once", us(401), 1_000_000, us(900), None),
            ("quick ones beside streams", us(100), 5_000, us(240), Some(us(60))),
            ("quick ones beside streams, seldom", us(100), 5_000, us(190), None),
            ("none has ended yet", us(20), 10_000, us(0), None),
            ("numbers that cannot be", Duration::MAX, u64::MAX, Duration::MAX, None),
        ] {
            assert_eq!(nap_of(period, active, quick), nap, "{name}");
        }
    }

    #[test]
    fn how_often_requests_come_is_known_after_a_window() {
        let stats = Arc::new(ThreadStats::default());
        let gather = Gather::new(&stats);
        let at = |us| gather.since + Duration::from_micros(us);
        stats.requests_total.add(10);
        assert_eq!(gather.period(at(999)), Duration::ZERO, "not yet");
        assert_eq!(gather.period(at(1_000)), us(100));
        stats.requests_total.add(50);
        assert_eq!(gather.period(at(1_500)), us(100), "what was before holds within a window");
        assert_eq!(gather.period(at(2_000)), us(20));
        assert_eq!(gather.period(at(900_000)), Duration::ZERO, "a rest");
    }
}
