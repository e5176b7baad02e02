//! Which worker is renewed before it is full.
//!
//! A worker whose heap is nearly full after a major collection, or which holds nearly all that it may, is replaced the way
//! a reload replaces it: the new process first. One at a time, with a pause between two as long as it is not urgent, and only where there
//! is room for both. A worker that is full soon after its start is not renewed, because the next one would be full as soon: that is
//! told, and left alone. Where it then dies of it, it was a leak, and those that follow in its place are renewed.
//!
//! A renewal may be in vain: the new process does not come up, and the old one goes on. It is tried again ever more rarely,
//! however urgent it is: a start costs as much whether or not it succeeds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::ids::WorkerId;

/// Who is full so soon has the heap that it needs, not one that grows.
const FRESH: Duration = Duration::from_secs(10);
/// Twice in a row sooner than this, in one place, is no leak that a new process would help against.
const SOON: Duration = Duration::from_secs(60);
/// Between two renewals.
pub const SPACING: Duration = Duration::from_secs(10);
/// The longest wait after a renewal that was in vain.
const WAIT_MOST: Duration = Duration::from_secs(600);
/// What a fresh process needs at least.
const NEED_LEAST: u64 = 48 << 20;
/// Requests before `max_requests` at which the first may go, in parts of it: workers that started together do not go
/// together.
const JITTER: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Part of the heap, or of the memory that the worker may have; `None`: nobody is renewed for memory.
    pub at: Option<f64>,
    pub max_requests: Option<u64>,
}

/// What is known of a worker that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub worker: WorkerId,
    pub ready_for: Duration,
    /// What a major collection left of the heap, and the most that it may be.
    pub heap: Option<(u64, u64)>,
    /// What only this worker holds, and the most that it may: its share of the memory that there is, or more where its heap
    /// was made larger by hand.
    pub resident: Option<(u64, u64)>,
    pub requests: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Heap { used: u64, limit: u64 },
    Resident { bytes: u64, most: u64 },
    Requests(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Renew(WorkerId, Why),
    /// It is full, and a new process would be so as well.
    Crowded(WorkerId, Why),
    /// There is no room for another process beside it.
    NoRoom(WorkerId, Why),
}

/// A process that was to be renewed; it still stands there while that was in vain.
#[derive(Debug, Clone, Copy)]
struct Tried {
    worker: WorkerId,
    last: Instant,
    times: u32,
}

impl Tried {
    fn is_due(&self, now: Instant) -> bool {
        let doubled = 2_u32.saturating_pow(self.times.saturating_sub(1));
        now.saturating_duration_since(self.last) >= SPACING.saturating_mul(doubled).min(WAIT_MOST)
    }
}

#[derive(Debug)]
pub struct Recycler {
    rules: Rules,
    last: Option<Instant>,
    /// Who is or was left alone in each place, and has been told of.
    crowded: BTreeMap<u16, WorkerId>,
    /// Places where who was left alone has died of it.
    deadly: BTreeSet<u16>,
    without_room: BTreeSet<WorkerId>,
    /// Places whose last process was full soon, and that one.
    soon: BTreeMap<u16, WorkerId>,
    /// Who was last to be renewed in each place.
    tried: BTreeMap<u16, Tried>,
    /// The process that was fresh last, and the most that it held while it was.
    fresh: Option<(WorkerId, u64)>,
}

impl Recycler {
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            last: None,
            crowded: BTreeMap::new(),
            deadly: BTreeSet::new(),
            without_room: BTreeSet::new(),
            soon: BTreeMap::new(),
            tried: BTreeMap::new(),
            fresh: None,
        }
    }

    #[must_use]
    pub fn is_off(&self) -> bool {
        self.rules.at.is_none() && self.rules.max_requests.is_none()
    }

    /// `is_renewing`: a process is being replaced already. `room`: memory that can still be had.
    pub fn judge(&mut self, levels: &[Level], is_renewing: bool, room: u64, now: Instant) -> Vec<Decision> {
        self.forget(levels);
        levels.iter().for_each(|level| self.note_fresh(level));
        let mut decisions = Vec::new();
        let full = self.full(levels, now, &mut decisions);
        let rests = self.last.is_some_and(|last| now.saturating_duration_since(last) < SPACING);
        let fullest = full.into_iter().max_by(|one, other| one.0.total_cmp(&other.0));
        let Some((_, level, why)) = fullest.filter(|(fullness, ..)| !rests || self.is_urgent(*fullness))
        else {
            return decisions;
        };
        if is_renewing {
            return decisions;
        }
        if room < self.need(levels) {
            if self.without_room.insert(level.worker) {
                decisions.push(Decision::NoRoom(level.worker, why));
            }
            return decisions;
        }
        self.note_attempt(level, why, now);
        decisions.push(Decision::Renew(level.worker, why));
        decisions
    }

    /// What was known of processes in whose place another one stands by now.
    fn forget(&mut self, levels: &[Level]) {
        let is_there = |worker: &WorkerId| levels.iter().any(|level| level.worker == *worker);
        self.without_room.retain(is_there);
        let is_followed = |tried: &Tried| {
            let place = tried.worker.index;
            levels.iter().any(|level| level.worker.index == place && level.worker != tried.worker)
        };
        self.tried.retain(|_, tried| !is_followed(tried));
    }

    /// Who is full and may be renewed. Those of whom it is new that a renewal would not help are told.
    fn full<'a>(
        &mut self,
        levels: &'a [Level],
        now: Instant,
        told: &mut Vec<Decision>,
    ) -> Vec<(f64, &'a Level, Why)> {
        let mut full = Vec::new();
        for level in levels {
            let Some((fullness, why)) = self.reason(level) else { continue };
            let place = level.worker.index;
            if self.crowded.get(&place) == Some(&level.worker) {
                continue;
            }
            if self.is_crowded(level, why) {
                self.crowded.insert(place, level.worker);
                told.push(Decision::Crowded(level.worker, why));
                continue;
            }
            if self.tried.get(&place).is_none_or(|tried| tried.is_due(now)) {
                full.push((fullness, level, why));
            }
        }
        full
    }

    fn note_attempt(&mut self, level: &Level, why: Why, now: Instant) {
        self.last = Some(now);
        let place = level.worker.index;
        let tried = self.tried.entry(place).or_insert(Tried { worker: level.worker, last: now, times: 0 });
        (tried.last, tried.times) = (now, tried.times.saturating_add(1));
        if tried.times > 1 {
            // When it was full first is known.
            return;
        }
        if level.ready_for < SOON && !matches!(why, Why::Requests(_)) {
            self.soon.insert(place, level.worker);
        } else {
            self.soon.remove(&place);
            self.deadly.remove(&place);
        }
    }

    fn note_fresh(&mut self, level: &Level) {
        let Some((bytes, _)) = level.resident.filter(|_| level.ready_for < FRESH) else { return };
        let before = self.fresh.filter(|(worker, _)| *worker == level.worker);
        self.fresh = Some((level.worker, before.map_or(bytes, |(_, most)| most.max(bytes))));
    }

    /// What a fresh process is expected to take while the old one is still there: as much as the lightest one, but no more than
    /// twice of what the last one began with. Of one worker that is nearly full by its own heap, the lightest is this one.
    fn need(&self, levels: &[Level]) -> u64 {
        let lightest = levels.iter().filter_map(|level| Some(level.resident?.0)).min();
        let begun = self.fresh.map(|(_, bytes)| bytes.saturating_mul(2));
        lightest.into_iter().chain(begun).min().unwrap_or(NEED_LEAST).max(NEED_LEAST)
    }

    /// A process has died for want of memory.
    pub fn note_death(&mut self, worker: WorkerId) {
        if self.crowded.get(&worker.index) == Some(&worker) {
            self.deadly.insert(worker.index);
        }
    }

    /// How full it is, and of what, if it is full.
    fn reason(&self, level: &Level) -> Option<(f64, Why)> {
        let part = |(part, whole): (u64, u64)| part as f64 / whole.max(1) as f64;
        let heap = level.heap.map(|(used, limit)| (part((used, limit)), Why::Heap { used, limit }));
        let resident =
            level.resident.map(|(bytes, most)| (part((bytes, most)), Why::Resident { bytes, most }));
        let memory = self.rules.at.and_then(|at| {
            let full = [heap, resident].into_iter().flatten().filter(|(fullness, _)| *fullness >= at);
            full.max_by(|one, other| one.0.total_cmp(&other.0))
        });
        let worn = self.rules.max_requests.is_some_and(|most| level.requests >= due(most, level.worker));
        memory.or(worn.then_some((0.0, Why::Requests(level.requests))))
    }

    /// Workers that leak together are full together: who has used up a quarter of what was left does not wait.
    fn is_urgent(&self, fullness: f64) -> bool {
        self.rules.at.is_some_and(|at| fullness >= at + (1.0 - at) / 4.0)
    }

    fn is_crowded(&self, level: &Level, why: Why) -> bool {
        if matches!(why, Why::Requests(_)) {
            return false;
        }
        let place = level.worker.index;
        let was_soon = self.soon.get(&place).is_some_and(|before| *before != level.worker);
        level.ready_for < FRESH || (level.ready_for < SOON && was_soon && !self.deadly.contains(&place))
    }
}

/// After how many requests this process goes.
fn due(most: u64, worker: WorkerId) -> u64 {
    // The finalizer of splitmix64, of what no two processes have in common.
    let mut bits = u64::from(worker.index) << 32 | u64::from(worker.incarnation);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        bits = (bits ^ bits >> 30).wrapping_mul(factor);
    }
    let jitter = most / JITTER;
    (most - (bits >> 16) % (jitter + 1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;
    const RULES: Rules = Rules { at: Some(0.9), max_requests: None };

    fn level(index: u16, heap_mb: u64, ready_s: u64) -> Level {
        Level {
            worker: WorkerId { index, incarnation: 1 },
            ready_for: Duration::from_secs(ready_s),
            heap: Some((heap_mb * MB, 100 * MB)),
            resident: Some((60 * MB, 150 * MB)),
            requests: 0,
        }
    }

    #[test]
    fn who_is_full_is_renewed_who_is_not_stays() {
        let ready = Duration::from_secs(100);
        let of =
            |heap, resident, requests| Level { heap, resident, requests, ready_for: ready, ..level(0, 0, 0) };
        let requests = Rules { at: None, max_requests: Some(1000) };
        let table = [
            (RULES, of(Some((89, 100)), None, 0), None),
            (RULES, of(Some((90, 100)), None, 0), Some(Why::Heap { used: 90, limit: 100 })),
            (RULES, of(None, None, 0), None),
            (RULES, of(Some((10, 100)), Some((91, 100)), 0), Some(Why::Resident { bytes: 91, most: 100 })),
            (RULES, of(Some((95, 100)), Some((91, 100)), 0), Some(Why::Heap { used: 95, limit: 100 })),
            (requests, of(Some((99, 100)), None, 899), None),
            (requests, of(Some((99, 100)), None, 1000), Some(Why::Requests(1000))),
            (Rules { at: None, max_requests: None }, of(Some((99, 100)), None, 9999), None),
        ];
        for (row, (rules, level, expected)) in table.into_iter().enumerate() {
            let decisions = Recycler::new(rules).judge(&[level], false, u64::MAX, Instant::now());
            let expected: Vec<_> =
                expected.map(|why| Decision::Renew(level.worker, why)).into_iter().collect();
            assert_eq!(decisions, expected, "row {row}");
        }
    }

    #[test]
    fn one_at_a_time_the_fullest_first_with_a_pause_unless_it_is_urgent() {
        let start = Instant::now();
        let mut recycler = Recycler::new(RULES);
        let levels = [level(0, 92, 100), level(1, 97, 100), level(2, 95, 100), level(3, 50, 100)];
        let mut renewed = Vec::new();
        for second in 0..40 {
            let now = start + Duration::from_secs(second);
            let left: Vec<_> = levels
                .into_iter()
                .filter(|level| renewed.iter().all(|(_, id)| *id != level.worker))
                .collect();
            for decision in recycler.judge(&left, false, u64::MAX, now) {
                let Decision::Renew(worker, _) = decision else { panic!("{decision:?}") };
                renewed.push((second, worker));
            }
        }
        let order: Vec<_> = renewed.iter().map(|(second, worker)| (*second, worker.index)).collect();
        assert_eq!(order, [(0, 1), (1, 2), (11, 0)]);
    }

    #[test]
    fn nobody_is_renewed_while_another_is_or_without_room_and_that_is_told_once() {
        let now = Instant::now();
        let mut recycler = Recycler::new(RULES);
        let full = [level(0, 95, 100)];
        assert_eq!(recycler.judge(&full, true, u64::MAX, now), []);
        let without = recycler.judge(&full, false, 59 * MB, now);
        assert!(matches!(without[..], [Decision::NoRoom(..)]), "{without:?}");
        assert_eq!(recycler.judge(&full, false, 59 * MB, now), []);
        assert!(matches!(recycler.judge(&full, false, 60 * MB, now)[..], [Decision::Renew(..)]));
    }

    #[test]
    fn a_large_worker_needs_no_room_for_another_as_large() {
        // In MB: what it held at first, what it holds when it is full, and the room that is left: whether it is renewed.
        let table = [
            ("1 GB, 768 MB by hand", Some(70), 720, 240, true),
            ("not even for what it began with", Some(130), 720, 240, false),
            ("nobody saw it begin", None, 720, 240, false),
            ("as before", None, 200, 240, true),
            ("it began larger than it is", Some(300), 200, 240, true),
        ];
        for (case, fresh, full, room, expected) in table {
            let mut recycler = Recycler::new(RULES);
            let holds = |mb: u64, heap_mb, ready_s| Level {
                resident: Some((mb * MB, 960 * MB)),
                ..level(0, heap_mb, ready_s)
            };
            let start = Instant::now();
            if let Some(mb) = fresh {
                assert_eq!(recycler.judge(&[holds(mb, 10, 5)], false, room * MB, start), []);
            }
            let later = start + Duration::from_secs(300);
            let decisions = recycler.judge(&[holds(full, 92, 300)], false, room * MB, later);
            assert_eq!(matches!(decisions[..], [Decision::Renew(..)]), expected, "{case}: {decisions:?}");
        }
    }

    #[test]
    fn who_is_full_right_after_its_start_is_told_and_left_alone() {
        let start = Instant::now();
        let mut recycler = Recycler::new(RULES);
        let mut heard = Vec::new();
        for second in 5..200 {
            let now = start + Duration::from_secs(second);
            heard.extend(recycler.judge(&[level(0, 95, second)], false, u64::MAX, now));
        }
        assert!(matches!(heard[..], [Decision::Crowded(..)]), "{heard:?}");
    }

    /// When the full ones of these places are to be renewed within an hour; nothing new comes up before `works_from`.
    fn attempts(places: u16, works_from: u64) -> Vec<(u64, u16)> {
        let start = Instant::now();
        let mut recycler = Recycler::new(RULES);
        let mut incarnations = vec![1; usize::from(places)];
        let mut attempts = Vec::new();
        for half_second in 0..7200 {
            let now = start + Duration::from_millis(500 * half_second);
            let levels: Vec<Level> = (0..places)
                .map(|index| {
                    let incarnation = incarnations[usize::from(index)];
                    // Who was renewed leaks again.
                    Level { worker: WorkerId { index, incarnation }, ..level(index, 99, 100) }
                })
                .collect();
            for decision in recycler.judge(&levels, false, u64::MAX, now) {
                let Decision::Renew(worker, _) = decision else { panic!("{decision:?}") };
                attempts.push((half_second / 2, worker.index));
                incarnations[usize::from(worker.index)] += u32::from(half_second / 2 >= works_from);
            }
        }
        attempts
    }

    #[test]
    fn a_renewal_that_is_in_vain_is_tried_ever_more_rarely_however_urgent_it_is() {
        let seconds = |attempts: &[(u64, u16)]| attempts.iter().map(|(at, _)| *at).collect::<Vec<_>>();
        let alone = attempts(1, u64::MAX);
        assert_eq!(seconds(&alone), [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430, 3030]);
        let two = attempts(2, u64::MAX);
        for place in 0..2 {
            let of_place: Vec<_> = two.iter().copied().filter(|(_, index)| *index == place).collect();
            assert_eq!(seconds(&of_place), seconds(&alone), "each place waits for itself");
        }
    }

    #[test]
    fn what_was_in_vain_is_forgotten_when_another_process_stands_there() {
        let attempts = attempts(1, 70);
        let (in_vain, others) = attempts.split_at(3);
        assert_eq!(in_vain, [(0, 0), (10, 0), (30, 0)]);
        assert!(others[0] == (70, 0) && others[1] == (70, 0) && others.len() > 7000, "{}", others.len());
    }

    /// A place whose processes are full so many seconds after they listen, and die after so many; what happens in an hour: how many
    /// are renewed, left alone, and die.
    fn simulate(full_after_s: u64, dies_after_s: u64) -> (usize, usize, usize) {
        let start = Instant::now();
        let mut recycler = Recycler::new(RULES);
        let (mut incarnation, mut born, mut renewals, mut crowded, mut deaths) = (1, 0, 0, 0, 0);
        for second in 0..3600 {
            let age = second - born;
            let worker = WorkerId { index: 0, incarnation };
            if age == dies_after_s {
                recycler.note_death(worker);
                (incarnation, born, deaths) = (incarnation + 1, second, deaths + 1);
                continue;
            }
            let level = Level { worker, ..level(0, if age >= full_after_s { 95 } else { 50 }, age) };
            for decision in recycler.judge(&[level], false, u64::MAX, start + Duration::from_secs(second)) {
                match decision {
                    Decision::Renew(..) => {
                        (incarnation, born, renewals) = (incarnation + 1, second, renewals + 1);
                    }
                    Decision::Crowded(..) => crowded += 1,
                    Decision::NoRoom(..) => unreachable!(),
                }
            }
        }
        (renewals, crowded, deaths)
    }

    #[test]
    fn it_never_becomes_a_loop_but_where_it_would_be_one_of_deaths() {
        let never = u64::MAX;
        for (case, full_after_s, dies_after_s, expected) in [
            ("full at once: left alone", 5, never, (0, 1, 0)),
            ("full soon: tried once", 20, never, (1, 1, 0)),
            ("a leak: renewed for ever", 300, never, (11, 0, 0)),
            ("a fast leak: what was left alone has died of it", 20, 25, (178, 1, 1)),
            ("full at once, and dies of it", 5, 8, (0, 450, 449)),
        ] {
            assert_eq!(simulate(full_after_s, dies_after_s), expected, "{case}");
        }
    }

    #[test]
    fn workers_that_started_together_do_not_go_together() {
        let dues: Vec<u64> = (0..8).map(|index| due(10_000, WorkerId { index, incarnation: 1 })).collect();
        let distinct: std::collections::BTreeSet<_> = dues.iter().collect();
        assert!(distinct.len() == 8 && dues.iter().all(|due| (9000..=10_000).contains(due)), "{dues:?}");
        assert_eq!(due(1, WorkerId { index: 3, incarnation: 9 }), 1);
    }
}
