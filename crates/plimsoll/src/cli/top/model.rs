//! What is known of the instance: the latest status, and some before it, for what is told per second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::observe::findings::Findings;
use crate::observe::status::{Status, Worker};

/// Workers report once in a second of their own: over three, each second has its report.
const RATE_OVER: Duration = Duration::from_secs(3);
const KEPT_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Model {
    seen: VecDeque<(Instant, Status)>,
    latest: Status,
    /// What the doctor says.
    findings: Option<Findings>,
}

impl Model {
    pub(super) fn new(first: Status, now: Instant) -> Self {
        Self { seen: VecDeque::from([(now, first.clone())]), latest: first, findings: None }
    }

    pub(super) fn see(&mut self, status: Status, now: Instant) {
        // Another process under the same name: what the old one counted is no start for it.
        if status.pid != self.latest.pid {
            self.seen.clear();
        }
        while self.seen.len() >= KEPT_MAX
            || self.seen.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= RATE_OVER)
        {
            self.seen.pop_front();
        }
        self.seen.push_back((now, status.clone()));
        self.latest = status;
    }

    pub(super) fn judge(&mut self, findings: Findings) {
        self.findings = Some(findings);
    }

    pub(super) fn findings(&self) -> Option<&Findings> {
        self.findings.as_ref()
    }

    pub(super) fn status(&self) -> &Status {
        &self.latest
    }

    /// When it was last told.
    pub(super) fn seen_at(&self) -> Option<Instant> {
        self.seen.back().map(|(at, _)| *at)
    }

    /// What grew by how much in a second; `None` before there are two to compare.
    pub(super) fn rate(&self, of: impl Fn(&Status) -> Option<u64>) -> Option<f64> {
        let ((from, first), (to, last)) = (self.seen.front()?, self.seen.back()?);
        let seconds = to.saturating_duration_since(*from).as_secs_f64();
        let grown = of(last)?.saturating_sub(of(first)?);
        #[expect(clippy::cast_precision_loss, reason = "shown in three digits")]
        let grown = grown as f64;
        (seconds > 0.0).then(|| grown / seconds)
    }

    /// The same of the process that stands in a place: another one starts from nothing.
    pub(super) fn worker_rate(&self, worker: &Worker, of: impl Fn(&Worker) -> u64) -> Option<f64> {
        self.rate(|status| {
            let mut all = status.workers.iter().chain(&status.leaving);
            all.find(|one| one.id == worker.id && one.pid == worker.pid).map(&of)
        })
    }
}
