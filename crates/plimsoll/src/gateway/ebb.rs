//! When a burst is over: what it needed is memory that nobody uses any more, but that the allocator keeps, between the little
//! that still is. After 5,000 requests at once that was 70 to 98 MB, for as long as the process lived, beside 1.5 MB before; and
//! workers' heaps are made as large as the rest of the container.

use std::time::Duration;

use super::watch::Time;

/// Connections and buffers at once that leave less than some megabytes behind.
const BURST_MIN: usize = 512;
/// So much of it must be gone: one part of four is left.
const LEFT: usize = 4;
/// And for so long: giving back costs some milliseconds, and what comes every second would only need it again.
pub(super) const SETTLES: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Ebb {
    /// Connections and buffers at once since memory was given back.
    most: usize,
    /// There was more than a part of that.
    high_at: Time,
}

impl Ebb {
    pub(super) fn new(now: Time) -> Self {
        Self { most: 0, high_at: now }
    }

    /// There was a burst, and memory was not given back yet.
    pub(super) fn is_owed(&self) -> bool {
        self.most >= BURST_MIN
    }

    /// There are so many connections and buffers now. Whether a burst is over: said once.
    pub(super) fn look(&mut self, held: usize, now: Time) -> bool {
        self.most = self.most.max(held);
        if held > self.most / LEFT {
            self.high_at = now;
        }
        let is_over = self.is_owed() && now >= self.high_at.after(SETTLES);
        if is_over {
            self.most = held;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_over_when_most_of_it_is_gone_for_a_while() {
        // Seconds, what is held then, and whether memory is given back.
        let table: &[&[(u64, usize, bool)]] = &[
            &[(0, 10, false), (10, 0, false), (100, 0, false)],
            &[(0, 511, false), (10, 0, false)],
            &[(0, 5000, false), (4, 0, false), (5, 0, true), (6, 0, false), (60, 0, false)],
            &[(0, 5000, false), (5, 1250, true), (60, 300, true), (70, 0, false)],
            &[(0, 5000, false), (5, 1251, false), (9, 900, false), (10, 900, true), (15, 200, true)],
            &[(0, 2000, false), (4, 0, false), (5, 2000, false), (9, 10, false), (10, 10, true)],
            &[(0, 2000, false), (5, 0, true), (9, 3000, false), (14, 0, true), (19, 0, false)],
        ];
        for (row, looks) in table.iter().enumerate() {
            let mut ebb = Ebb::new(Time::ZERO);
            for (second, held, is_over) in *looks {
                let now = Time::ZERO.after(Duration::from_secs(*second));
                assert_eq!(ebb.look(*held, now), *is_over, "row {row}, second {second}");
            }
        }
    }
}
