//! For how long a request keeps the loop where nobody has marked it: after an `await`, in a timer.
//!
//! Such a run is seen from outside only, a look each tick: in whose context it is where requests are followed, else who is alone in
//! flight and young ([`alone`](super::alone)). It is a request's from the first look at which that request
//! was running to the last, and half a tick more on either side, within the run; without the time for which the thread waited for
//! a processor.

use plimsoll_wire::message::FromAgent;
use plimsoll_wire::stall::BUSY_MS;

use super::marks::Delayed;
use super::pulse::{Beat, Look};
use super::shared::Sighting;

const MS: u64 = 1_000_000;
/// What is not seen at either end, on average.
const MARGIN_NS: u64 = 5 * MS;
/// Who was not seen for so long is not told.
const SEEN_NS: u64 = 5 * MS;
/// Who was seen first, so soon, has had the run from its beginning.
const FIRST_NS: u64 = 25 * MS;

/// The loop at one look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) at: u64,
    /// When it last turned or waited, and how often it has turned.
    pub(super) began: u64,
    pub(super) turns: u32,
    pub(super) waits: bool,
    /// For how long the thread had waited for a processor when the run began, and now, in nanoseconds.
    pub(super) delayed: Delayed,
}

impl Run {
    pub(super) fn of(look: Look, beat: Beat, delayed: Delayed) -> Self {
        let began = look.at.saturating_sub(beat.busy_ns);
        Self { at: look.at, began, turns: look.turns, waits: look.waits, delayed }
    }
}

/// What has ended since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) busy: Option<FromAgent>,
    /// For so long nobody was seen in a run; 0: somebody was.
    pub(super) lost_ns: u64,
}

#[derive(Debug, Default)]
pub(super) struct Unmarked {
    run: Option<Followed>,
}

#[derive(Debug, Clone, Copy)]
struct Followed {
    run: Run,
    part: Option<Part>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    running: (u16, u32),
    first: u64,
    last: u64,
    /// What the thread had waited for a processor when it was seen first.
    delayed_ns: u64,
}

impl Unmarked {
    /// One look, and who was seen to run since the last one.
    pub(super) fn look(&mut self, run: Run, sighting: Option<Sighting>) -> Ended {
        let mut ended = Ended::default();
        let is_of_new = |sighting: &Sighting| sighting.to >= run.began;
        if self.run.is_none_or(|before| before.run.turns != run.turns || run.waits) {
            let before = self.run.replace(Followed { run, part: None });
            if let Some(before) = before {
                ended = before.end(run, sighting.filter(|sighting| !is_of_new(sighting)));
            }
        }
        if let Some(followed) = &mut self.run {
            followed.run.at = run.at;
            followed.run.delayed.now = run.delayed.now;
            let over = sighting.filter(is_of_new).and_then(|sighting| followed.see(sighting));
            ended.busy = ended.busy.or(over);
        }
        ended
    }
}

impl Followed {
    /// Gives what is to be told of another request's part, which is over then.
    fn see(&mut self, Sighting { running, from, to }: Sighting) -> Option<FromAgent> {
        if let Some(part) = self.part.as_mut().filter(|part| part.running == running) {
            part.last = to;
            return None;
        }
        let from = from.clamp(self.run.began, to.max(self.run.began));
        let part = Part { running, first: from, last: to, delayed_ns: self.run.delayed.now };
        let over = self.part.replace(part);
        over.and_then(|part| part.tell(&self.run, from))
    }

    /// The loop has turned since it was last looked at, and is in its `next` run.
    fn end(mut self, next: Run, sighting: Option<Sighting>) -> Ended {
        let over = sighting.and_then(|sighting| self.see(sighting));
        let end = next.began.max(self.run.at);
        let lost_ns = self.run.at.saturating_sub(self.run.began);
        self.run.delayed.now = next.delayed.now;
        let busy = self.part.and_then(|part| part.tell(&self.run, end));
        Ended { busy: busy.or(over), lost_ns: if self.part.is_none() { lost_ns } else { 0 } }
    }
}

impl Part {
    fn tell(&self, run: &Run, end: u64) -> Option<FromAgent> {
        // Seen once, it may have been one of many.
        let is_seen = self.last.saturating_sub(self.first) >= SEEN_NS;
        let is_first = self.first.saturating_sub(run.began) <= FIRST_NS;
        let (first, delayed_ns) = if is_first {
            (run.began, run.delayed.before)
        } else {
            (self.first - MARGIN_NS, self.delayed_ns)
        };
        let last = (self.last + MARGIN_NS).min(end);
        let took = last.saturating_sub(first).saturating_sub(run.delayed.now.saturating_sub(delayed_ns));
        let ms = u32::try_from(took / MS).unwrap_or(u32::MAX);
        let (slot, word) = self.running;
        (is_seen && ms >= BUSY_MS).then_some(FromAgent::Busy { slot, word, ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: (u16, u32) = (1, 6);
    const TWO: (u16, u32) = (2, 6);
    const NONE: Delayed = Delayed { before: 0, now: 0 };

    /// When it was looked, in which turn, and who was seen from and to then.
    type Seen = (u64, u32, Option<((u16, u32), u64, u64)>);

    fn told(looks: &[Seen]) -> Vec<((u16, u32), u32)> {
        let mut unmarked = Unmarked::default();
        let mut turned = (0, 0);
        let mut told = Vec::new();
        for (at, turns, seen) in looks {
            if turned.0 != *turns {
                turned = (*turns, *at - 1);
            }
            let run = Run { at: at * MS, began: turned.1 * MS, turns: *turns, waits: false, delayed: NONE };
            let sighting = seen.map(|(running, from, to)| Sighting { running, from: from * MS, to: to * MS });
            if let Some(FromAgent::Busy { slot, word, ms }) = unmarked.look(run, sighting).busy {
                told.push(((slot, word), ms));
            }
        }
        told
    }

    #[test]
    fn a_run_belongs_to_who_was_seen_in_it() {
        let seen = |running, at| Some((running, at, at));
        type Row<'a> = (&'a str, Vec<Seen>, Vec<((u16, u32), u32)>);
        let table: [Row<'_>; 7] = [
            ("nobody", vec![(12, 0, None), (24, 0, None), (60, 2, None)], vec![]),
            ("seen once, among many", vec![(12, 0, seen(ONE, 12)), (40, 2, None)], vec![]),
            (
                "all of it",
                vec![(12, 0, seen(ONE, 12)), (24, 0, seen(ONE, 24)), (36, 0, seen(ONE, 36)), (40, 2, None)],
                vec![(ONE, 39)],
            ),
            (
                "one after the other",
                vec![
                    (12, 0, seen(ONE, 12)),
                    (24, 0, seen(ONE, 24)),
                    (36, 0, seen(TWO, 36)),
                    (48, 0, seen(TWO, 48)),
                    (60, 0, seen(TWO, 60)),
                    (70, 2, None),
                ],
                vec![(ONE, 29), (TWO, 34)],
            ),
            (
                "a native call, told when it is over",
                vec![(12, 0, None), (152, 2, Some((ONE, 12, 150)))],
                vec![(ONE, 151)],
            ),
            (
                "short runs",
                vec![(12, 0, seen(ONE, 12)), (24, 2, seen(ONE, 24)), (36, 4, seen(ONE, 36))],
                vec![],
            ),
            ("a sighting of old", vec![(12, 0, None), (60, 2, Some((ONE, 1, 2))), (90, 2, None)], vec![]),
        ];
        for (case, looks, expected) in table {
            assert_eq!(told(&looks), expected, "{case}");
        }
    }

    #[test]
    fn the_time_without_a_processor_is_nobodys() {
        let mut unmarked = Unmarked::default();
        let mut look = |at: u64, turns, now: u64, seen: Option<(u16, u32)>| {
            let run = |began| Run {
                at: at * MS,
                began,
                turns,
                waits: false,
                delayed: Delayed { before: 5 * MS, now: now * MS },
            };
            let sighting = seen.map(|running| Sighting { running, from: at * MS, to: at * MS });
            unmarked.look(run(if turns == 0 { 0 } else { at * MS }), sighting).busy
        };
        for (at, delayed) in [(12, 10), (24, 15), (100, 45)] {
            assert_eq!(look(at, 0, delayed, Some(ONE)), None);
        }
        let (slot, word) = ONE;
        assert_eq!(look(120, 2, 55, None), Some(FromAgent::Busy { slot, word, ms: 55 }));
    }

    #[test]
    fn a_long_run_of_nobody_is_lost() {
        let mut unmarked = Unmarked::default();
        let run = |at: u64, turns| Run { at: at * MS, began: 0, turns, waits: false, delayed: NONE };
        assert_eq!(unmarked.look(run(50, 0), None).lost_ns, 0);
        assert_eq!(unmarked.look(run(60, 1), None).lost_ns, 50 * MS);
        let mut known = Unmarked::default();
        known.look(run(50, 0), Some(Sighting { running: ONE, from: 49 * MS, to: 50 * MS }));
        assert_eq!(known.look(run(60, 1), None).lost_ns, 0);
    }
}
