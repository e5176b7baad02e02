//! Who may be meant where nobody is known to run: the one request that is in flight, if it has just begun.
//!
//! A request is in flight until its answer is complete. Of a stream, a poll or a download that is open for minutes it says
//! nothing that the loop is busy: it is with the app's own timers, too. So only a request counts that was claimed within the
//! run or shortly before, and of which that was seen.

const MS: u64 = 1_000_000;
/// What a request waits for before it keeps the loop takes no longer, as a rule.
const YOUNG_NS: u64 = 100 * MS;

/// What is in flight at one look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum InFlight {
    /// As when the watchdog begins, which is before the first server listens.
    #[default]
    Nobody,
    /// Its slot and word.
    One((u16, u32)),
    Several,
}

#[derive(Debug, Default)]
pub(super) struct Alone {
    last: InFlight,
    /// When the one was first seen; `None`: it may have been there for long.
    since: Option<u64>,
}

impl Alone {
    /// A look at `now`.
    pub(super) fn look(&mut self, now: u64, in_flight: InFlight) {
        if self.last != in_flight {
            // Of several that are left one by one, the last may be the oldest.
            self.since = Some(now).filter(|_| self.last != InFlight::Several);
        }
        self.last = in_flight;
    }

    /// Who may have made the run that began at `began`.
    pub(super) fn young(&self, began: u64) -> Option<(u16, u32)> {
        let InFlight::One(running) = self.last else { return None };
        let is_young = began.saturating_sub(self.since?) <= YOUNG_NS;
        is_young.then_some(running)
    }
}

#[cfg(test)]
mod tests {
    use super::InFlight::{Nobody, One, Several};
    use super::*;

    const A: (u16, u32) = (1, 6);
    const B: (u16, u32) = (1, 10);

    #[test]
    fn only_who_was_claimed_shortly_before_a_run_may_have_made_it() {
        type Row<'a> = (&'a str, &'a [(u64, InFlight)], u64, Option<(u16, u32)>);
        // When what was seen, in milliseconds; when the run began, and who is meant.
        let table: [Row<'_>; 10] = [
            ("nobody", &[(0, Nobody), (12, Nobody)], 12, None),
            ("claimed within the run", &[(0, Nobody), (12, One(A))], 5, Some(A)),
            ("claimed shortly before", &[(0, Nobody), (12, One(A)), (90, One(A))], 90, Some(A)),
            ("a stream that is open", &[(0, Nobody), (12, One(A)), (900, One(A))], 890, None),
            ("the first look", &[(0, One(A))], 0, Some(A)),
            ("one after the other", &[(0, Nobody), (12, One(A)), (900, One(B))], 890, Some(B)),
            ("several", &[(0, Nobody), (12, Several)], 12, None),
            ("the stream is left", &[(0, Nobody), (12, Several), (24, One(A))], 24, None),
            ("it stays", &[(12, Several), (24, One(A)), (36, One(A))], 30, None),
            (
                "and who comes after it",
                &[(12, Several), (24, One(A)), (36, Nobody), (48, One(B))],
                48,
                Some(B),
            ),
        ];
        for (case, looks, began, expected) in table {
            let mut alone = Alone::default();
            looks.iter().for_each(|(at, in_flight)| alone.look(at * MS, *in_flight));
            assert_eq!(alone.young(began * MS), expected, "{case}");
        }
    }
}
