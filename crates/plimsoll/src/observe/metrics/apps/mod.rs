//! What only the workers' own processes know: what Node tells of itself, and the metrics that the app keeps in prom-client.
//!
//! ```text
//! agents ── lines ──► Book ─┬─ Shown ── the rows of `node` and of this
//!                           └─ merge ── text, behind our own metrics
//! ```
//!
//! The workers are asked at each scrape. Whoever does not answer in time is shown as it was; whoever is gone leaves what it
//! has counted, so that a sum over all workers never falls because one of them was replaced.

mod family;
mod lines;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::family::{Families, Family, merge};
pub(super) use self::lines::{LeftOut, Node};
use self::text::Exposition;
use super::Format;
use super::table::{Labels, Metric, Number, Samples, Values};
use crate::config::AppMetrics;
use crate::ids::WorkerId;
use crate::observe::control::Readings;

/// Within this time nobody is asked again: many who scrape cost the app no more than one.
const FRESH_FOR: Duration = Duration::from_millis(200);
/// Series of counters that are kept of processes that are gone.
const KEPT_MAX: usize = 20_000;
/// Of all workers, as they are shown.
const SHOWN_MAX: usize = 100_000;
/// Of less the share of a loop's time says nothing.
const SHARE_OVER_MS: f64 = 500.0;

/// Who may put a scrape together at the same time: each may take many megabytes.
const MAKERS_MAX: usize = 2;

/// What is known of the workers' own metrics. One for all who show it.
#[derive(Debug)]
pub struct Apps {
    mode: AppMetrics,
    read_at: Mutex<Option<Instant>>,
    makers: Arc<Semaphore>,
    // Held while a scrape is put together, on a thread of its own, and nowhere else.
    book: Mutex<Book>,
}

impl Default for Apps {
    fn default() -> Self {
        Self::new(AppMetrics::default())
    }
}

impl Apps {
    #[must_use]
    pub fn new(mode: AppMetrics) -> Self {
        let makers = Arc::new(Semaphore::new(MAKERS_MAX));
        Self { mode, read_at: Mutex::default(), makers, book: Mutex::default() }
    }

    /// What the workers are to be asked for, if they are to be: whether what the app counts as well.
    pub fn asks(&self, now: Instant) -> Option<bool> {
        let read_at = *self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = read_at.is_some_and(|at| now.saturating_duration_since(at) < FRESH_FOR);
        (!is_fresh).then_some(self.mode != AppMetrics::Off)
    }

    /// The right to put a scrape together; `None`: nobody needs one any more.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.makers).acquire_owned().await.ok()
    }

    /// Takes what the workers have answered.
    pub fn take(&self, readings: &Readings, now: Instant) {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        self.book.lock().unwrap_or_else(PoisonError::into_inner).take(readings, now);
    }

    /// The app's metrics as text, and what is told of all; `each`: of each worker by itself.
    pub(super) fn show(&self, each: bool, format: Format, ours: BTreeSet<String>, now: Instant) -> Shown {
        let each = each || self.mode == AppMetrics::Each;
        self.book.lock().unwrap_or_else(PoisonError::into_inner).show(each, format, ours, now)
    }
}

/// What was read.
#[derive(Debug, Default)]
struct Book {
    /// Of the last answers.
    id: Option<u32>,
    processes: BTreeMap<(WorkerId, u32), Process>,
    /// What was counted by those that are gone.
    kept: Families,
    kept_series: usize,
    /// By worker: how long the loops of those were active and idle.
    past: BTreeMap<u16, (f64, f64)>,
    /// By worker: how often it was late.
    late: BTreeMap<u16, u64>,
}

#[derive(Debug)]
struct Process {
    node: Node,
    families: Families,
    left_out: u64,
    malformed: LeftOut,
    /// `None`: it has never answered.
    answered: Option<Instant>,
    is_late: bool,
    /// At the beginning of the time over which the share of the loop is told.
    base: (f64, f64),
    share: Option<f64>,
}

/// What is told of the workers, as far as they have told anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    pub(super) text: String,
    /// By worker, all its processes together.
    pub(super) nodes: BTreeMap<u16, Node>,
    /// The share of its time in which a worker's loop has not waited; of its busiest process.
    pub(super) shares: BTreeMap<u16, f64>,
    ages: BTreeMap<u16, Duration>,
    late: BTreeMap<u16, u64>,
    left_out: BTreeMap<&'static str, u64>,
}

impl Book {
    fn take(&mut self, readings: &Readings, now: Instant) {
        if self.id.replace(readings.id) == Some(readings.id) {
            return;
        }
        let there: BTreeSet<(WorkerId, u32)> =
            readings.processes.iter().map(|one| (one.worker, one.channel)).collect();
        self.bury(&there);
        let mut late = BTreeSet::new();
        for reading in &readings.processes {
            let process =
                self.processes.entry((reading.worker, reading.channel)).or_insert_with(Process::new);
            match &reading.lines {
                Some(lines) => process.hear(lines, reading.left_out, now),
                None => {
                    process.is_late = true;
                    // What does not turn for so long does not wait for anything.
                    process.share = Some(1.0);
                    late.insert(reading.worker.index);
                }
            }
        }
        for worker in late {
            *self.late.entry(worker).or_default() += 1;
        }
    }

    /// What those have counted who are not there any more is kept.
    fn bury(&mut self, there: &BTreeSet<(WorkerId, u32)>) {
        let known = std::mem::take(&mut self.processes);
        let (there, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            known.into_iter().partition(|(process, _)| there.contains(process));
        self.processes = there;
        let mut room = KEPT_MAX.saturating_sub(self.kept_series);
        let before = room;
        for ((worker, _), process) in gone {
            let (active, idle) = self.past.entry(worker.index).or_default();
            *active += process.node.active_ms;
            *idle += process.node.idle_ms;
            for (name, family) in process.families.into_iter().filter(|(_, family)| family.is_kept()) {
                let kept = self.kept.entry(name).or_insert_with(|| family.heading());
                if kept.kind == family.kind {
                    kept.keep(&family, &mut room);
                }
            }
        }
        self.kept_series += before - room;
    }

    fn show(&self, each: bool, format: Format, ours: BTreeSet<String>, now: Instant) -> Shown {
        let mut shown = Shown { late: self.late.clone(), ..Shown::default() };
        for ((worker, _), process) in &self.processes {
            process.tell(worker.index, &mut shown, now);
        }
        for (worker, node) in &mut shown.nodes {
            let (active, idle) = self.past.get(worker).copied().unwrap_or_default();
            node.active_ms += active;
            node.idle_ms += idle;
        }
        let mut exposition = Exposition::new(format, ours);
        let mut room = SHOWN_MAX;
        let (mut kinds, mut names, mut too_many) = (0, 0, 0);
        for (name, all) in self.by_name() {
            let family = if each { by_worker(&all, &mut kinds) } else { self.merged(name, &all, &mut kinds) };
            let Some(family) = family else { continue };
            match room.checked_sub(family.series.len()) {
                None => too_many += 1,
                Some(left) if exposition.write(name, &family) => room = left,
                Some(_) => names += 1,
            }
        }
        shown.text = exposition.into_text();
        for (reason, count) in [("name", names), ("kind", kinds), ("too_many", too_many)] {
            *shown.left_out.entry(reason).or_default() += count;
        }
        shown
    }

    fn merged(&self, name: &str, all: &[(u16, &Family)], kinds: &mut u64) -> Option<Family> {
        let families = all.iter().map(|(_, family)| *family);
        merge(self.kept.get(name), families, kinds).filter(|family| !family.is_omitted())
    }

    /// By name, in the order of the workers.
    fn by_name(&self) -> BTreeMap<&str, Vec<(u16, &Family)>> {
        let mut all = BTreeMap::<&str, Vec<_>>::new();
        for ((worker, _), process) in &self.processes {
            for (name, family) in &process.families {
                all.entry(name).or_default().push((worker.index, family));
            }
        }
        all
    }
}

/// All workers side by side; the processes of one are put together.
fn by_worker(all: &[(u16, &Family)], kinds: &mut u64) -> Option<Family> {
    let mut workers = BTreeMap::<u16, Vec<&Family>>::new();
    for (worker, family) in all {
        workers.entry(*worker).or_default().push(family);
    }
    let labelled: Vec<Family> = workers
        .into_iter()
        .filter_map(|(worker, families)| Some(merge(None, families, kinds)?.of_worker(worker)))
        .collect();
    merge(None, &labelled, kinds)
}

impl Process {
    fn new() -> Self {
        Self {
            node: Node::default(),
            families: Families::new(),
            left_out: 0,
            malformed: LeftOut::default(),
            answered: None,
            is_late: false,
            base: (0.0, 0.0),
            share: None,
        }
    }

    fn hear(&mut self, lines: &str, left_out: u32, now: Instant) {
        let said = lines::read(lines);
        let (active, idle) = (said.node.active_ms - self.base.0, said.node.idle_ms - self.base.1);
        if active >= 0.0 && idle >= 0.0 && active + idle >= SHARE_OVER_MS {
            self.share = Some(active / (active + idle));
            self.base = (said.node.active_ms, said.node.idle_ms);
        }
        self.node = said.node;
        self.families = said.families;
        self.malformed = said.left_out;
        self.left_out = left_out.into();
        self.answered = Some(now);
        self.is_late = false;
    }

    fn tell(&self, worker: u16, shown: &mut Shown, now: Instant) {
        if let Some(share) = self.share {
            let most = shown.shares.entry(worker).or_default();
            *most = share.max(*most);
        }
        let Some(answered) = self.answered else { return };
        let age = if self.is_late { now.saturating_duration_since(answered) } else { Duration::ZERO };
        let oldest = shown.ages.entry(worker).or_default();
        *oldest = age.max(*oldest);
        match shown.nodes.get_mut(&worker) {
            Some(node) => node.add(&self.node),
            None => drop(shown.nodes.insert(worker, self.node.clone())),
        }
        let LeftOut { malformed, too_many } = self.malformed;
        for (reason, count) in [("process", self.left_out), ("malformed", malformed), ("too_many", too_many)]
        {
            *shown.left_out.entry(reason).or_default() += count;
        }
    }
}

impl Shown {
    fn by_worker<T: Copy>(all: &BTreeMap<u16, T>, number: fn(T) -> Number) -> Samples {
        all.iter().map(|(worker, value)| (vec![worker.to_string()], number(*value))).collect()
    }

    /// The mean of all workers.
    pub(super) fn share(&self) -> Option<f64> {
        let count = u32::try_from(self.shares.len()).ok().filter(|count| *count > 0)?;
        Some(self.shares.values().sum::<f64>() / f64::from(count))
    }
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "plimsoll_metrics_age_seconds",
        help: "How old is what is shown of a worker that only its own process knows: 0 where it has answered this scrape.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| {
            Shown::by_worker(&scrape.apps.ages, |age| Number::Real(age.as_secs_f64()))
        }),
    },
    Metric {
        name: "plimsoll_metrics_late_total",
        help: "Scrapes that a worker did not answer within half a second; it is then shown as it was.",
        labels: &["worker"],
        values: Values::Counter(|scrape| Shown::by_worker(&scrape.apps.late, Number::Whole)),
    },
    Metric {
        name: "plimsoll_metrics_left_out",
        help: "Metrics and samples of the app that are not in this answer, by reason: name (it is one of ours, or part of another), kind (workers do not agree), malformed, too_many, process (the worker's own process left them out: too many bytes, or a collect that failed or took longer than 0.3 s).",
        labels: &["reason"],
        values: Values::Gauge(|scrape| {
            let all = scrape.apps.left_out.iter();
            all.map(|(reason, count)| (vec![(*reason).to_owned()] as Labels, Number::Whole(*count))).collect()
        }),
    },
];

#[cfg(test)]
mod tests;
