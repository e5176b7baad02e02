//! The thread: looks, tells, rests, and sleeps where there is nothing to see.

use std::fs::File;
use std::thread;
use std::time::Duration;

use libc::clockid_t;

use super::alone::{Alone, InFlight};
use super::collector;
use super::glimpse::Glimpse;
use super::marks::{Delayed, Marks};
use super::memory::Memory;
use super::pulse::{Beat, Look, Pulse};
use super::report::{Gone, Report};
use super::shared::{self, Sighting};
use super::stall::{self, Stall, Used};
use super::unmarked::{Run, Unmarked};
use crate::engine::{Engine, Loop};
use crate::{node_api, page, sys};

const MS: u64 = 1_000_000;

/// Looks in a row at a loop that waits, with no request in flight, before the watchdog sleeps.
const QUIET_LOOKS: u32 = 8;

/// From runs of this length on that nobody is known to have made, it is worth following requests.
const LOST_FROM_NS: u64 = 40 * MS;
/// A run from this long on is asked whose it is.
const ASKED_FROM_NS: u64 = 10 * MS;

/// Where it is read what the main thread has spent: its time on a processor, and its time waiting for one.
pub(super) struct Spent {
    clock: Option<clockid_t>,
    delays: Option<File>,
}

impl Spent {
    /// Of the calling thread.
    pub(super) fn of_this_thread() -> Self {
        Self { clock: sys::thread_clock(), delays: sys::thread_delays() }
    }
}

pub(super) struct Watch {
    watched: Loop,
    engine: Option<Engine>,
    spent: Spent,
    path: String,
    threshold_ns: u64,
    tick: Duration,
    stalls: u32,
    quiet: u32,
    used: Used,
    /// What was used up when the present run began, or a tick before.
    before: Used,
    memory: Memory,
    /// Until then all that stood still has been told.
    told_until: u64,
}

impl Watch {
    pub(super) fn new(
        watched: Loop,
        engine: Option<Engine>,
        spent: Spent,
        threshold_ms: u32,
        path: String,
    ) -> Self {
        Self {
            watched,
            engine,
            spent,
            path,
            threshold_ns: u64::from(threshold_ms) * MS,
            // Short enough to see a part of a request that is worth telling, and seldom enough to cost nothing.
            tick: Duration::from_millis(u64::from(threshold_ms / 8).clamp(5, 12)),
            stalls: 0,
            quiet: 0,
            used: Used::default(),
            before: Used::default(),
            memory: Memory::default(),
            told_until: 0,
        }
    }

    /// Until the process ends or the supervisor is gone.
    pub(super) fn run(mut self) {
        sys::take_no_signals();
        sys::wake_at_once();
        let _gone = Report::open(&self.path).and_then(|mut report| self.watch(&mut report));
        shared::awake();
        shared::disarm();
    }

    fn watch(&mut self, report: &mut Report) -> Result<(), Gone> {
        let mut marks = Marks::default();
        let mut unmarked = Unmarked::default();
        let mut glimpse = Glimpse::default();
        let mut alone = Alone::default();
        let mut stall: Option<Stall> = None;
        let mut pulse = Pulse::new(self.look()?);
        loop {
            let rest = stall.as_ref().map_or(self.tick, |stall| stall.rest(pulse.last_at()));
            thread::park_timeout(rest.min(self.tick));
            report.flush()?;
            let (look, last_at) = (self.look()?, pulse.last_at());
            let beat = pulse.take(look);
            if beat.moved {
                self.before = self.used;
            }
            let used = self.use_up(look.at);
            let last_used = std::mem::replace(&mut self.used, used);
            let delayed = |before: Used| Delayed { before: before.delayed_ns, now: used.delayed_ns };
            let earliest = last_at.max(look.at.saturating_sub(beat.busy_ns));
            if let Some(busy) = marks.look(look.at, earliest, delayed(last_used)) {
                report.say(&busy)?;
            }
            let run = Run::of(look, beat, delayed(self.before));
            alone.look(look.at, in_flight());
            let young = alone.young(run.began);
            let sighting = self.sight((look, beat), young, stall.is_some())?;
            let ended = unmarked.look(run, sighting);
            if let Some(busy) = ended.busy {
                report.say(&busy)?;
            }
            if ended.lost_ns >= LOST_FROM_NS && page::has_started() {
                shared::wish_to_follow();
            }
            stall = match stall {
                Some(stall) => self.follow(stall, look, report)?,
                None => self.judge(look, beat, report)?,
            };
            if stall.is_none() {
                self.tell_long_pause(report)?;
                let _leave = shared::leave_to_touch().ok_or(Gone)?;
                glimpse.look((look, beat), young, self.engine.as_ref(), report)?;
            } else {
                glimpse.forget();
            }
            self.memory.look(look.at, look.idle_ns, report)?;
            let is_quiet = look.waits && stall.is_none() && !marks.is_running() && !page::has_started();
            self.quiet = if is_quiet { self.quiet + 1 } else { 0 };
            if self.quiet >= QUIET_LOOKS {
                self.memory.tell(look.at, look.idle_ns, report)?;
                self.sleep();
            }
        }
    }

    fn look(&self) -> Result<Look, Gone> {
        let _leave = shared::leave_to_touch().ok_or(Gone)?;
        let before = self.watched.idle_ns();
        let (turns, turned_at) = shared::turns();
        let at = sys::now_ns();
        let idle_ns = self.watched.idle_ns();
        // The figure grows between two readings only while the loop waits.
        Ok(Look { at, idle_ns, waits: idle_ns > before, turns, turned_at })
    }

    fn use_up(&self, now: u64) -> Used {
        let Spent { clock, delays } = &self.spent;
        let cpu_ns = clock.and_then(sys::clock_ns).unwrap_or(0);
        let delayed_ns = delays.as_ref().map_or(0, sys::delayed_ns);
        Used { gc_ns: collector::collected_ns(now), cpu_ns, delayed_ns }
    }

    /// Who runs, where nobody has marked it: what the engine says where requests are followed, else the one that is in
    /// flight and young.
    fn sight(
        &self,
        (look, beat): (Look, Beat),
        young: Option<(u16, u32)>,
        is_stalled: bool,
    ) -> Result<Option<Sighting>, Gone> {
        let seen = shared::take_sighting();
        if shared::running().is_some() || look.waits || beat.busy_ns < ASKED_FROM_NS {
            return Ok(seen);
        }
        if !node_api::follows() {
            return Ok(young.map(|running| Sighting { running, from: look.at, to: look.at }));
        }
        // In a stall it is asked for the stack as well, less often.
        if let Some(engine) = self.engine.as_ref().filter(|_| !is_stalled)
            && shared::begin_asking()
        {
            let _leave = shared::leave_to_touch().ok_or(Gone)?;
            engine.interrupt(shared::on_interrupt);
        }
        Ok(seen)
    }

    /// Whether a stall begins, or has been missed.
    fn judge(&mut self, look: Look, beat: Beat, report: &mut Report) -> Result<Option<Stall>, Gone> {
        if beat.missed_ns >= self.threshold_ns {
            self.stalls += 1;
            report.say(&stall::stalled(self.stalls, beat.missed_ns, None, String::new(), false))?;
            report.say(&stall::resumed(self.stalls, beat.missed_ns, (self.before, self.used), None))?;
            self.told_until = look.at;
        }
        if beat.busy_ns < self.threshold_ns && !collector::is_long(look.at) {
            return Ok(None);
        }
        shared::wish_turn();
        if shared::turns().0 != look.turns {
            shared::unwish_turn();
            return Ok(None);
        }
        self.stalls += 1;
        let began = look.at.saturating_sub(beat.busy_ns);
        let stall = Stall::begin(self.stalls, began, self.before, look.at);
        self.follow(stall, look, report)
    }

    fn follow(&mut self, mut stall: Stall, look: Look, report: &mut Report) -> Result<Option<Stall>, Gone> {
        let end = shared::wished_turn().or(look.waits.then_some(look.at));
        if let Some(end) = end {
            shared::unwish_turn();
            stall.end(end, self.used, report)?;
            self.told_until = end.max(look.at);
            return Ok(None);
        }
        let _leave = shared::leave_to_touch().ok_or(Gone)?;
        stall.follow(look.at, self.engine.as_ref(), report)?;
        Ok(Some(stall))
    }

    /// A pause of the collector that began and ended between two looks, in a loop that otherwise turned in time.
    fn tell_long_pause(&mut self, report: &mut Report) -> Result<(), Gone> {
        let Some((began, ended)) = collector::take_long().filter(|(began, _)| *began >= self.told_until)
        else {
            return Ok(());
        };
        let took = ended.saturating_sub(began);
        let used = Used { gc_ns: took, cpu_ns: took, delayed_ns: 0 };
        self.stalls += 1;
        self.told_until = ended;
        report.say(&stall::stalled(self.stalls, took, None, String::new(), false))?;
        report.say(&stall::resumed(self.stalls, took, (Used::default(), used), None))
    }

    /// Without a timer, until a claim or a turn of the loop.
    fn sleep(&mut self) {
        self.quiet = 0;
        let (turns, _) = shared::turns();
        shared::wish_turn();
        shared::fall_asleep();
        if shared::turns().0 == turns && !page::has_started() {
            while shared::is_asleep() {
                thread::park();
            }
        }
        shared::awake();
    }
}

fn in_flight() -> InFlight {
    match page::only_started() {
        Some(one) => InFlight::One(one),
        None if page::has_started() => InFlight::Several,
        None => InFlight::Nobody,
    }
}
