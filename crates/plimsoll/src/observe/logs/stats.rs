//! Figures of the log pipeline: written where things happen, read by `/metrics` and `/status`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::AccessLog;
use crate::concerns::logs::record::Level;
use crate::concerns::logs::record::Record;
use crate::concerns::logs::{Tally, Verdict};
use crate::ids::WorkerId;
use crate::observe::ship::stats::ShipStats;

#[derive(Debug, Default)]
pub struct Stats {
    decided: [[Count; Level::ALL.len()]; Verdict::ALL.len()],
    pub(super) buffer_bytes: AtomicU64,
    pub(super) lag_us: AtomicU64,
    sinks: Mutex<Vec<Arc<ShipStats>>>,
    /// By place in the fleet.
    workers: Mutex<BTreeMap<u16, Arc<WorkerStats>>>,
    access: OnceLock<AccessLog>,
}

#[derive(Debug, Default)]
struct Count {
    lines: AtomicU64,
    bytes: AtomicU64,
}

/// What one worker's place logged, over all its processes.
#[derive(Debug, Default)]
pub(super) struct WorkerStats {
    pub(super) lines: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) lines_per_second: AtomicU64,
    pub(super) bytes_per_second: AtomicU64,
    /// How often its pipe was found full: then it had to queue, or to wait.
    pub(super) pipe_full: AtomicU64,
    /// What the ring had no room for.
    pub(super) lost_lines: AtomicU64,
    pub(super) lost_bytes: AtomicU64,
}

/// As `/status` shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFigures {
    pub lines: u64,
    pub bytes: u64,
    pub lines_per_s: u64,
    pub bytes_per_s: u64,
    /// How often its pipe was found full.
    pub pipe_full: u64,
    /// Lines that were dropped because the buffer was full.
    pub lost_lines: u64,
}

impl Stats {
    pub(super) fn worker(&self, worker: WorkerId) -> Arc<WorkerStats> {
        Arc::clone(self.workers().entry(worker.index).or_default())
    }

    pub(super) fn add(&self, tally: &Tally) {
        for (verdict, level, lines, bytes) in tally.counts() {
            let cell = self.decided.get(verdict.index()).and_then(|row| row.get(level.index()));
            if let Some(count) = cell {
                count.lines.fetch_add(lines, Relaxed);
                count.bytes.fetch_add(bytes, Relaxed);
            }
        }
    }

    /// Lines and bytes of each verdict and level that has any.
    pub fn decided(&self) -> Vec<(Verdict, Level, u64, u64)> {
        let rows = Verdict::ALL.into_iter().zip(&self.decided);
        rows.flat_map(|(verdict, row)| {
            let cells = Level::ALL.into_iter().zip(row);
            cells.map(move |(level, count)| {
                (verdict, level, count.lines.load(Relaxed), count.bytes.load(Relaxed))
            })
        })
        .filter(|(.., lines, _)| *lines > 0)
        .collect()
    }

    /// What waits between the pipes and the processor.
    pub fn buffer_bytes(&self) -> u64 {
        self.buffer_bytes.load(Relaxed)
    }

    /// From being read from the pipe to having been handed to the sinks, of the last chunk.
    pub fn lag(&self) -> Duration {
        Duration::from_micros(self.lag_us.load(Relaxed))
    }

    /// For a new sink of that name.
    pub(super) fn sink(&self, name: &str) -> Arc<ShipStats> {
        let stats = Arc::new(ShipStats::new::<Record>(name));
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&stats));
        stats
    }

    /// In the order of the settings; our own streams first.
    pub fn sinks(&self) -> Vec<Arc<ShipStats>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lines that found the ring full.
    pub fn lost_lines(&self) -> u64 {
        self.workers().values().map(|worker| worker.lost_lines.load(Relaxed)).sum()
    }

    pub(super) fn watch_access(&self, access: &AccessLog) {
        let _first = self.access.set(access.clone());
    }

    /// Lines of the access log that found no room.
    pub fn lost_access_lines(&self) -> u64 {
        self.access.get().map_or(0, AccessLog::lost)
    }

    pub fn worker_figures(&self, index: u16) -> Option<WorkerFigures> {
        self.workers().get(&index).map(|worker| WorkerFigures {
            lines: worker.lines.load(Relaxed),
            bytes: worker.bytes.load(Relaxed),
            lines_per_s: worker.lines_per_second.load(Relaxed),
            bytes_per_s: worker.bytes_per_second.load(Relaxed),
            pipe_full: worker.pipe_full.load(Relaxed),
            lost_lines: worker.lost_lines.load(Relaxed),
        })
    }

    pub(super) fn all_workers(&self) -> Vec<(u16, Arc<WorkerStats>)> {
        self.workers().iter().map(|(index, worker)| (*index, Arc::clone(worker))).collect()
    }

    /// A thread that panicked here has left a whole table behind: there is nothing to repair.
    fn workers(&self) -> MutexGuard<'_, BTreeMap<u16, Arc<WorkerStats>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
