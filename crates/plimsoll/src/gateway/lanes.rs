//! Which requests are kept to a lane, as all gateway threads and the handle share it.
//!
//! What is asked per request is a number in a table, and a few patterns where the settings have some. What is learned
//! is learned behind a lock: when the watchdog tells of a request that kept its loop, and when a heavy one ends.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::concerns::event_loop::lanes::allot::{self, Allotment};
use crate::concerns::event_loop::lanes::cost::{Change, Costs};
use crate::concerns::event_loop::lanes::demand::{Capacity, Demand};
use crate::concerns::event_loop::lanes::yielding;
use crate::config::{self, LanesMode};
use crate::ids::{RouteId, WorkerId};
use crate::observe::http::ThreadStats;
use crate::routes::{IDS_MAX, Routes};

/// A request that is kept to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) lane: usize,
    /// For how long it is expected to keep its worker.
    pub(super) tenure: Duration,
    /// The lane was learned.
    is_learned: bool,
}

/// A heavy route that was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeavyRoute {
    pub name: String,
    /// For how long its requests keep the loop, in the mean.
    pub cost: Duration,
    /// Its lane is lifted: every worker serves it all the same.
    pub is_lifted: bool,
}

#[derive(Debug)]
pub(super) struct Lanes {
    settings: config::EventLoop,
    routes: Arc<Routes>,
    /// Cost in microseconds of each heavy route; 0 for the others.
    heavy: Box<[AtomicU32]>,
    /// Requests that are over.
    ended: Box<[AtomicU64]>,
    /// Raised when workers have to be given out anew.
    version: AtomicU32,
    learned: Mutex<Learned>,
    threads: OnceLock<Arc<[Arc<ThreadStats>]>>,
}

#[derive(Debug)]
struct Learned {
    costs: Costs<RouteId>,
    demand: Demand,
    news: Vec<News>,
}

/// What people are told once the workers have been given out.
#[derive(Debug)]
enum News {
    Changed { route: String, change: Change },
    Lifted { needed: f64 },
    SetUp,
}

impl Lanes {
    pub(super) fn new(settings: config::EventLoop, routes: Arc<Routes>) -> Self {
        Self {
            routes,
            heavy: (0..IDS_MAX).map(|_| AtomicU32::new(0)).collect(),
            ended: (0..IDS_MAX).map(|_| AtomicU64::new(0)).collect(),
            version: AtomicU32::new(0),
            learned: Mutex::new(Learned {
                costs: Costs::new(settings.heavy_threshold),
                demand: Demand::new(Instant::now(), 0),
                news: Vec::new(),
            }),
            threads: OnceLock::new(),
            settings,
        }
    }

    /// Whose requests count as all requests.
    pub(super) fn watch(&self, threads: &Arc<[Arc<ThreadStats>]>) {
        let _once = self.threads.set(Arc::clone(threads));
    }

    /// Those by hand, and the one that is learned behind them.
    pub(super) fn count(&self) -> usize {
        self.settings.lanes_by_hand.len() + 1
    }

    /// How many threads the gateway has.
    pub(super) fn threads(&self) -> usize {
        self.threads.get().map_or(1, |threads| threads.len())
    }

    pub(super) fn has_one_thread(&self) -> bool {
        self.threads() == 1
    }

    /// Is the request of this head kept to a lane?
    pub(super) fn of(&self, head: &[u8], target: &Range<usize>, route: RouteId) -> Option<Kept> {
        let by_hand = &self.settings.lanes_by_hand;
        let method = head.get(..target.start).unwrap_or_default().trim_ascii();
        let target = head.get(target.clone()).unwrap_or_default();
        let matches = |lane: &config::Lane| lane.routes.iter().any(|pattern| pattern.matches(method, target));
        let cost = Duration::from_micros(self.cost_us(route).into());
        if let Some(lane) = by_hand.iter().position(matches) {
            let cost = cost.max(self.settings.heavy_threshold);
            return Some(Kept { lane, tenure: yielding::tenure(cost), is_learned: false });
        }
        let kept = Kept { lane: by_hand.len(), tenure: yielding::tenure(cost), is_learned: true };
        (!cost.is_zero()).then_some(kept)
    }

    fn cost_us(&self, route: RouteId) -> u32 {
        self.heavy.get(usize::from(route.0)).map_or(0, |cost| cost.load(Relaxed))
    }

    /// A request of a lane has come. What the lane has for it is asked only now and then.
    pub(super) fn arrived(&self, kept: Kept, route: RouteId, capacity: Capacity) {
        if !kept.is_learned {
            return;
        }
        let requests =
            self.threads.get().map_or(0, |all| all.iter().map(|one| one.requests_total.get()).sum());
        let cost = Duration::from_micros(self.cost_us(route).into());
        let mut learned = self.learned();
        // While it is lifted, all workers are the lane.
        let lane = if learned.demand.is_lifted() { self.size(capacity.all) } else { capacity.lane };
        let capacity = Capacity { lane, ..capacity };
        if let Some(needed) = learned.demand.arrived(Instant::now(), cost, requests, capacity) {
            let is_lifted = learned.demand.is_lifted();
            learned.news.push(if is_lifted { News::Lifted { needed } } else { News::SetUp });
            drop(learned);
            self.version.fetch_add(1, Relaxed);
        }
    }

    /// A request of the route is over.
    pub(super) fn ended(&self, route: RouteId) {
        let Some(ended) = self.ended.get(usize::from(route.0)) else { return };
        let ended = ended.fetch_add(1, Relaxed) + 1;
        if self.cost_us(route) > 0 {
            let change = self.learned().costs.look(route, ended);
            self.take(route, change);
        }
    }

    /// The watchdog of a worker tells that a request kept its loop. Requests whose route is not known have nothing in common
    /// but that: what one costs says nothing about the next. Before the first answer these are all, and fresh workers are slow.
    pub(super) fn busy(&self, route: RouteId, request: (WorkerId, u16, u32), cost: Duration) {
        let route = self.routes.table().current(route);
        let learns = self.settings.lanes == LanesMode::Auto && route != RouteId::OTHER;
        let Some(ended) = self.ended.get(usize::from(route.0)).filter(|_| learns) else { return };
        let request = BuildHasherDefault::<DefaultHasher>::new().hash_one(request);
        let change = self.learned().costs.observe(route, ended.load(Relaxed), request, cost);
        self.take(route, change);
    }

    fn take(&self, route: RouteId, change: Option<Change>) {
        let mut learned = self.learned();
        let cost = if learned.costs.is_heavy(route) { learned.costs.mean(route) } else { Duration::ZERO };
        if let Some(place) = self.heavy.get(usize::from(route.0)) {
            place.store(u32::try_from(cost.as_micros()).unwrap_or(u32::MAX), Relaxed);
        }
        if let Some(change) = change {
            learned.news.push(News::Changed { route: self.name(route), change });
            drop(learned);
            self.version.fetch_add(1, Relaxed);
        }
    }

    fn name(&self, route: RouteId) -> String {
        self.routes.name(route).map_or_else(|| "other routes".to_owned(), |name| name.to_string())
    }

    pub(super) fn version(&self) -> u32 {
        self.version.load(Relaxed)
    }

    /// So many workers, given out to the lanes.
    pub(super) fn allot(&self, workers: usize) -> Allotment {
        let learned = self.learned();
        let is_set_up = !learned.demand.is_lifted() && learned.costs.heavy().next().is_some();
        let learned = if is_set_up { self.size(workers) } else { 0 };
        let by_hand = self.settings.lanes_by_hand.iter().map(|lane| lane.workers);
        allot::allot(workers, &by_hand.chain([learned]).collect::<Vec<_>>())
    }

    fn size(&self, workers: usize) -> usize {
        allot::learned(workers, self.settings.heavy_workers)
    }

    /// Tells people what has changed, once; `of_lane` gives the workers of a lane.
    pub(super) fn announce(&self, of_lane: impl FnOnce(usize) -> Vec<u16>) {
        let news = std::mem::take(&mut self.learned().news);
        if !news.is_empty() {
            let workers = of_lane(self.count() - 1);
            for news in news {
                tracing::info!("{}", news.in_words(&workers));
            }
        }
    }

    /// The heavy routes that were learned, the costliest first.
    pub(super) fn heavy_routes(&self) -> Vec<HeavyRoute> {
        let learned = self.learned();
        let is_lifted = learned.demand.is_lifted();
        let mut all: Vec<_> = learned.costs.heavy().collect();
        drop(learned);
        all.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        all.into_iter().map(|(route, cost)| HeavyRoute { name: self.name(route), cost, is_lifted }).collect()
    }

    /// For how long requests keep the loop, in the mean of the latest, where it is worth telling.
    pub(super) fn costs(&self) -> BTreeMap<String, Duration> {
        let costs: Vec<_> = self.learned().costs.told().collect();
        costs.into_iter().map(|(route, cost)| (self.name(route), cost)).collect()
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        // Whole after every statement.
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl News {
    fn in_words(&self, workers: &[u16]) -> String {
        match self {
            Self::Changed { route, change: Change::Heavy { cost } } => {
                let by = match workers {
                    [] => "one request at a time".to_owned(),
                    [one] => format!("by worker {one} alone"),
                    [first, .., last] => format!("by workers {first} to {last} alone"),
                };
                format!("{route} keeps the loop for {} ms: it is now served {by}", cost.as_millis())
            }
            Self::Changed { route, change: Change::Light { cost } } => {
                format!(
                    "{route} keeps the loop for {} ms only: every worker serves it again",
                    cost.as_millis()
                )
            }
            Self::Lifted { needed } => format!(
                "heavy routes need {needed:.1} workers and have fewer: every worker serves them until they need less; \
                 event_loop.heavy_workers gives them more"
            ),
            Self::SetUp => "heavy routes are served by workers of their own again".to_owned(),
        }
    }
}
