//! What can be asked about the workers.

use std::time::{Duration, Instant};

use super::Supervisor;
use crate::concerns::shutdown::{Phase, State};
use crate::ids::WorkerId;
use crate::workers::front::Front;

#[derive(Debug, Clone)]
pub struct Snapshot {
    pub phase: Phase,
    pub was_ever_ready: bool,
    pub generation: u32,
    /// During a reload: workers of the newest generation that serve.
    pub renewed: Option<usize>,
    pub workers: Vec<Worker>,
}

#[derive(Debug, Clone)]
pub struct Worker {
    pub id: WorkerId,
    pub pid: Option<u32>,
    pub state: State,
    pub is_failing: bool,
    pub generation: u32,
    pub uptime: Duration,
}

impl<F: Front> Supervisor<F> {
    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
        let workers = self.fleet.places().iter().map(|place| {
            let process = self.processes.get(&place.id);
            Worker {
                id: place.id,
                pid: process.map(|process| process.pid),
                state: self.fleet.state(place.id).unwrap_or(place.state),
                is_failing: place.is_failing,
                generation: place.generation,
                uptime: process.map_or(Duration::ZERO, |own| now.saturating_duration_since(own.started)),
            }
        });
        Snapshot {
            phase: self.fleet.phase(),
            was_ever_ready: self.fleet.was_ever_ready(),
            generation: self.fleet.generation(),
            renewed: self.fleet.is_reloading().then(|| self.fleet.renewed()),
            workers: workers.collect(),
        }
    }
}
