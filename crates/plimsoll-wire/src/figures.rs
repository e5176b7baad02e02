//! Figures that a process counts and tells, and how those of several are put together: one list of names for each kind
//! of them ([`calls`](crate::calls), [`pools`](crate::pools)), from which all else follows: messages, sums, `/status` and
//! what the agent's JavaScript counts.

use std::ops::{Deref, DerefMut};

/// What becomes of a figure where those of several processes are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// So many now: added, and gone with its process.
    Now,
    /// So many since the process began: added, and kept.
    Total,
    /// The most of all, and kept.
    Most,
    /// The most of all, gone with its process.
    MostNow,
}

impl Kind {
    pub(crate) fn add(self, mine: &mut u64, theirs: u64) {
        *mine = match self {
            Self::Now | Self::Total => mine.saturating_add(theirs),
            Self::Most | Self::MostNow => (*mine).max(theirs),
        };
    }

    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Self::Total | Self::Most)
    }
}

/// How many took how long: one count for each bucket, not cumulative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts<const N: usize>(pub [u64; N]);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Deref for Counts<N> {
    type Target = [u64; N];

    fn deref(&self) -> &[u64; N] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Counts<N> {
    fn deref_mut(&mut self) -> &mut [u64; N] {
        &mut self.0
    }
}

impl<const N: usize> Counts<N> {
    pub fn add(&mut self, more: &Self) {
        for (sum, more) in self.0.iter_mut().zip(more.0) {
            *sum = sum.saturating_add(more);
        }
    }

    /// What has come since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut counts = self.clone();
        for (now, before) in counts.0.iter_mut().zip(before.0) {
            *now = now.saturating_sub(before);
        }
        counts
    }
}

/// Figures that are known by name.
pub trait Named: Default {
    /// By name, in the order in which they are written; without the counts.
    fn by_name(&self) -> Vec<(&'static str, u64)>;

    /// The figure of this name, to be set.
    fn of_name(&mut self, name: &str) -> Option<&mut u64>;
}

macro_rules! figures {
    (
        $(#[$about:meta])*
        numbers { $($(#[$doc:meta])* $name:ident: $kind:ident,)* }
        counts { $($(#[$counts_doc:meta])* $counts:ident: $buckets:expr,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Figures {
            $($(#[$doc])* pub $name: u64,)*
            $($(#[$counts_doc])* pub $counts: $crate::figures::Counts<{ $buckets }>,)*
        }

        impl Figures {
            /// All but the counts, in the order in which they are written.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            fn numbers(&mut self) -> impl Iterator<Item = (&'static str, $crate::figures::Kind, &mut u64)> {
                [$((stringify!($name), $crate::figures::Kind::$kind, &mut self.$name)),*].into_iter()
            }

            /// Puts those of another process to these. What a process says may be anything.
            pub fn add(&mut self, other: &Self) {
                let mut other = other.clone();
                for ((_, kind, mine), (.., theirs)) in self.numbers().zip(other.numbers()) {
                    kind.add(mine, *theirs);
                }
                $(self.$counts.add(&other.$counts);)*
            }

            /// What is left of them when the process is gone.
            #[must_use]
            pub fn past(mut self) -> Self {
                for (_, kind, number) in self.numbers() {
                    if !kind.is_kept() {
                        *number = 0;
                    }
                }
                self
            }

            /// What is so now, and gone with the process.
            #[must_use]
            pub fn now(mut self) -> Self {
                for (_, kind, number) in self.numbers() {
                    if kind.is_kept() {
                        *number = 0;
                    }
                }
                $(self.$counts = Default::default();)*
                self
            }

            /// What has been counted since `before`; what is so now is as it is.
            #[must_use]
            pub fn since(&self, before: &Self) -> Self {
                let (mut later, mut before) = (self.clone(), before.clone());
                for ((_, kind, number), (.., known)) in later.numbers().zip(before.numbers()) {
                    if kind == $crate::figures::Kind::Total {
                        *number = number.saturating_sub(*known);
                    }
                }
                $(later.$counts = self.$counts.since(&before.$counts);)*
                later
            }

            pub(crate) fn read(text: &str) -> Option<Self> {
                let mut figures = Self::default();
                let mut words = text.split(' ').map(|word| word.parse().ok());
                for (.., number) in figures.numbers() {
                    *number = words.next()??;
                }
                $(for count in &mut figures.$counts.0 {
                    *count = words.next()??;
                })*
                words.next().is_none().then_some(figures)
            }

            pub(crate) fn write(&self) -> String {
                let mut copy = self.clone();
                let numbers = copy.numbers().map(|(.., number)| number.to_string());
                let mut words: Vec<String> = numbers.collect();
                $(words.extend(self.$counts.iter().map(u64::to_string));)*
                words.join(" ")
            }
        }

        impl $crate::figures::Named for Figures {
            fn by_name(&self) -> Vec<(&'static str, u64)> {
                self.clone().numbers().map(|(name, _, number)| (name, *number)).collect()
            }

            fn of_name(&mut self, name: &str) -> Option<&mut u64> {
                self.numbers().find(|(known, ..)| *known == name).map(|(.., number)| number)
            }
        }
    };
}

pub(crate) use figures;

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro is made for what others use")]
mod tests {
    use super::*;

    figures! {
        /// One of each kind.
        numbers {
            open: Now,
            calls: Total,
            widest: Most,
            peak: MostNow,
        }
        counts {
            times: 3,
        }
    }

    fn figures(open: u64, calls: u64, widest: u64, peak: u64, times: [u64; 3]) -> Figures {
        Figures { open, calls, widest, peak, times: Counts(times) }
    }

    #[test]
    fn sums_are_sums_and_the_most_is_the_most() {
        let mut sum = figures(2, 30, 4, 9, [1, 0, u64::MAX]);
        sum.add(&figures(1, u64::MAX, 5, 3, [1, 2, 1]));
        assert_eq!(sum, figures(3, u64::MAX, 5, 9, [2, 2, u64::MAX]));
        assert_eq!(sum.clone().past(), figures(0, u64::MAX, 5, 0, [2, 2, u64::MAX]));
        assert_eq!(sum.now(), figures(3, 0, 0, 9, [0; 3]));
    }

    #[test]
    fn what_has_come_since_is_never_less_than_nothing() {
        let before = figures(7, 30, 4, 9, [5, 5, 5]);
        assert_eq!(figures(2, 31, 5, 1, [6, 5, 4]).since(&before), figures(2, 1, 5, 1, [1, 0, 0]));
    }

    #[test]
    fn a_figure_is_found_by_its_name() {
        let mut figures = figures(1, 2, 3, 4, [5, 6, 7]);
        *figures.of_name("widest").unwrap() = 8;
        assert_eq!(figures.by_name(), [("open", 1), ("calls", 2), ("widest", 8), ("peak", 4)]);
        assert!(figures.of_name("times").is_none());
        assert_eq!(Figures::NAMES, ["open", "calls", "widest", "peak"]);
    }

    #[test]
    fn figures_read_back_as_themselves_and_nothing_else_is_read() {
        let figures = figures(1, 2, 3, u64::MAX, [5, 6, 7]);
        assert_eq!(figures.write(), format!("1 2 3 {} 5 6 7", u64::MAX));
        assert_eq!(Figures::read(&figures.write()), Some(figures));
        for broken in ["", "1 2 3 4 5 6", "1 2 3 4 5 6 7 8", "1 2 3 4 5 6 -7", "1 2 3 4 5 6 x"] {
            assert_eq!(Figures::read(broken), None, "{broken}");
        }
    }
}
