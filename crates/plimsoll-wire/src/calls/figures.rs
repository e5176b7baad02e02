//! What a process has seen of the calls to one origin.

use super::BUCKETS;

/// What becomes of a figure where those of several processes are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// So many now: added, and gone with its process.
    Now,
    /// So many since the process began: added, and kept.
    Total,
    /// The most of all, and kept.
    Most,
    /// The most of all, gone with its process.
    MostNow,
}

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident: $kind:ident,)*) => {
        /// Counted since the process began, except where it says "now". The one list of them: messages, sums, `/status` and
        /// the agent's JavaScript follow it, by name and in this order.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Figures {
            $($(#[$doc])* pub $name: u64,)*
            /// Calls by how long they took; not cumulative.
            pub durations: [u64; BUCKETS],
        }

        impl Figures {
            /// All but the durations, in the order in which they are written.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            fn named(&mut self) -> impl Iterator<Item = (&'static str, Kind, &mut u64)> {
                [$((stringify!($name), Kind::$kind, &mut self.$name)),*].into_iter()
            }
        }
    };
}

figures! {
    /// Calls in flight now.
    in_flight: Now,
    /// Calls that wait for their turn now.
    waiting: Now,
    /// Calls that are over.
    calls: Total,
    /// Of these: no answer, or a broken one.
    errors: Total,
    /// Of the errors: the app had waited as long as it wanted to.
    timeouts: Total,
    /// Of the errors: the app gave the call up for a reason of its own.
    given_up: Total,
    /// Of the calls: answered 500 or more.
    failed: Total,
    /// Calls that had to wait.
    queued: Total,
    /// How long they waited together.
    waited_ms: Total,
    /// Calls that were refused: the queue was full, or they had waited too long.
    refused: Total,
    /// How long all calls took together.
    took_ms: Total,
    /// Most calls of one process in flight at once since the last report.
    peak: MostNow,
    /// Requests of clients whose calls to this origin were counted apart.
    fan_outs: Total,
    /// Most parallel calls that one such request made.
    fan_out_max: Most,
    /// What 99 of 100 of the latest stayed within.
    fan_out_p99: MostNow,
    /// Where only observed: calls that the limit would have made wait.
    would_queue: Total,
    /// For how long together.
    would_wait_ms: Total,
    /// Calls that it would have refused.
    would_refuse: Total,
    /// Slots that came back because nobody had read the answer's body.
    abandoned: Total,
    /// Of http2: sessions that were opened.
    sessions: Total,
    /// Of the calls: those for which no limit holds, the streams of these sessions.
    unlimited: Total,
    /// Calls that were refused because the breaker was open.
    broken: Total,
    /// Calls that a client's request made again after they had failed.
    retries: Total,
    /// Of these: those that were refused because there were too many.
    retries_refused: Total,
}

impl Figures {
    /// Puts those of another process to these. What a process says may be anything.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for ((_, kind, mine), (_, _, theirs)) in self.named().zip(other.named()) {
            *mine = match kind {
                Kind::Now | Kind::Total => mine.saturating_add(*theirs),
                Kind::Most | Kind::MostNow => (*mine).max(*theirs),
            };
        }
        for (mine, theirs) in self.durations.iter_mut().zip(other.durations) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// What is left of them when the process is gone.
    #[must_use]
    pub fn past(mut self) -> Self {
        for (_, kind, number) in self.named() {
            if matches!(kind, Kind::Now | Kind::MostNow) {
                *number = 0;
            }
        }
        self
    }

    /// By name, but for the durations.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut copy = self.clone();
        copy.named().map(|(name, _, number)| (name, *number)).collect::<Vec<_>>().into_iter()
    }

    /// The figure of this name, to be set.
    pub fn of_name(&mut self, name: &str) -> Option<&mut u64> {
        self.named().find(|(known, ..)| *known == name).map(|(.., number)| number)
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let mut figures = Self::default();
        let mut durations = [0; BUCKETS];
        let mut words = text.split(' ');
        for number in figures.named().map(|(.., number)| number).chain(&mut durations) {
            *number = words.next()?.parse().ok()?;
        }
        figures.durations = durations;
        words.next().is_none().then_some(figures)
    }

    pub(super) fn write(&self) -> String {
        let numbers = self.by_name().map(|(_, number)| number).chain(self.durations);
        numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_sums_and_the_most_is_the_most() {
        let mut sum = Figures { calls: 30, in_flight: 2, peak: 9, fan_out_max: 4, ..Figures::default() };
        sum.durations[3] = u64::MAX;
        let mut more =
            Figures { calls: u64::MAX, in_flight: 1, peak: 3, fan_out_max: 5, ..Figures::default() };
        more.durations[3] = 1;
        sum.add(&more);
        assert_eq!((sum.calls, sum.in_flight, sum.peak, sum.fan_out_max), (u64::MAX, 3, 9, 5));
        assert_eq!(sum.durations[3], u64::MAX);
        let past = sum.past();
        assert_eq!((past.calls, past.in_flight, past.peak, past.fan_out_max), (u64::MAX, 0, 0, 5));
    }

    #[test]
    fn a_figure_is_found_by_its_name() {
        let mut figures = Figures::default();
        *figures.of_name("waited_ms").unwrap() = 7;
        assert_eq!(figures.waited_ms, 7);
        assert!(figures.by_name().any(|(name, number)| name == "waited_ms" && number == 7));
        assert!(figures.of_name("durations").is_none());
    }
}
