//! How many lines and bytes were kept and dropped, by level.

use crate::concerns::logs::record::{Level, Record};

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Kept,
    /// Above the budget, or by the static rule.
    Sampled,
    /// One of very many with the same fingerprint.
    Capped,
}

impl Verdict {
    pub const ALL: [Self; 3] = [Self::Kept, Self::Sampled, Self::Capped];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Sampled => "sampled",
            Self::Capped => "capped",
        }
    }

    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Lines and bytes, by verdict and level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    cells: [[Count; Level::ALL.len()]; Verdict::ALL.len()],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    lines: u64,
    bytes: u64,
}

impl Tally {
    pub(super) fn add(&mut self, record: &Record, verdict: Verdict) {
        let row = self.cells.get_mut(verdict.index());
        if let Some(count) = row.and_then(|row| row.get_mut(record.level.index())) {
            count.lines += 1;
            count.bytes += record.line.len() as u64 + 1;
        }
    }

    pub(super) fn add_all(&mut self, records: impl IntoIterator<Item = Record>, verdict: Verdict) {
        records.into_iter().for_each(|record| self.add(&record, verdict));
    }

    /// Verdict, level, lines and bytes, where there are any.
    pub fn counts(&self) -> impl Iterator<Item = (Verdict, Level, u64, u64)> {
        Verdict::ALL.into_iter().zip(&self.cells).flat_map(|(verdict, row)| {
            let cells = Level::ALL.into_iter().zip(row).filter(|(_, count)| count.lines > 0);
            cells.map(move |(level, count)| (verdict, level, count.lines, count.bytes))
        })
    }
}
