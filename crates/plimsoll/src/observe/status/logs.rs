//! What is said of the lines of the log.

use serde::{Deserialize, Serialize};

use crate::concerns::logs::Verdict;
use crate::concerns::logs::record::Level;
use crate::observe::logs::Stats;

/// Lines since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    pub kept: u64,
    /// Left out because there were more than the budget allows.
    pub sampled: u64,
    /// Left out because they were very many of the same.
    pub capped: u64,
    /// Found the buffer full.
    pub lost: u64,
    /// Of all that were read: warnings, and errors with what is worse.
    pub warnings: u64,
    pub errors: u64,
}

impl Logs {
    #[must_use]
    pub fn read(stats: &Stats) -> Self {
        let mut logs = Self { lost: stats.lost_lines(), ..Self::default() };
        for (verdict, level, lines, _bytes) in stats.decided() {
            *match verdict {
                Verdict::Kept => &mut logs.kept,
                Verdict::Sampled => &mut logs.sampled,
                Verdict::Capped => &mut logs.capped,
            } += lines;
            match level {
                Level::Warn => logs.warnings += lines,
                Level::Error | Level::Fatal => logs.errors += lines,
                Level::Trace | Level::Debug | Level::Info => {}
            }
        }
        logs
    }
}
