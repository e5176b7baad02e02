//! The processes of a peer, and what they use.

use std::fs;
use std::time::Instant;

use serde::Serialize;

use super::{Peer, Serving};
use crate::bench::child::Child;
use crate::bench::procfs::{self, Pid};

/// Time on a CPU so far, by process.
pub(crate) struct Look {
    at: Instant,
    processes: Vec<(String, Pid, u64)>,
}

/// What a process used between two looks.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Used {
    pub(crate) role: String,
    /// CPUs that it kept busy.
    pub(crate) cpus: f64,
    pub(crate) rss_bytes: u64,
    /// Pages shared with others are counted in parts.
    pub(crate) pss_bytes: u64,
}

impl Serving<'_> {
    /// Processes that run the app.
    pub(crate) fn workers(&self) -> Vec<Pid> {
        let alone = self.main.as_ref().filter(|_| self.peer == Peer::Node).map(Child::pid);
        let below = self.root().map(procfs::descendants).unwrap_or_default();
        let below = below.into_iter().filter(|pid| procfs::runs(*pid, &self.workshop.node));
        alone.into_iter().chain(below).chain(self.apps.iter().map(Child::pid)).collect()
    }

    fn root(&self) -> Option<Pid> {
        match self.peer {
            Peer::Pm2 => {
                let file = fs::read_to_string(self.directory.join("pm2/pm2.pid")).unwrap_or_default();
                file.trim().parse().ok()
            }
            _ => self.main.as_ref().map(Child::pid),
        }
    }

    pub(crate) fn look(&self) -> anyhow::Result<Look> {
        let workers = self.workers();
        let root = self.root();
        let below = root.map(procfs::descendants).unwrap_or_default();
        let others = root.into_iter().chain(below).filter(|pid| !workers.contains(pid));
        let named = others.map(|pid| (self.peer.name().to_owned(), pid));
        let named = named.chain(workers.iter().map(|pid| ("worker".to_owned(), *pid)));
        let processes = named.map(|(role, pid)| Ok((role, pid, procfs::cpu_ns(&[pid])?)));
        Ok(Look { at: Instant::now(), processes: processes.collect::<anyhow::Result<_>>()? })
    }

    /// Of those that were there then. A process that has gone meanwhile is left out.
    pub(crate) fn used_since(&self, before: &Look) -> Vec<Used> {
        let seconds = before.at.elapsed().as_secs_f64();
        let used = |(role, pid, then): &(String, Pid, u64)| {
            let memory = procfs::memory(&[*pid]).ok()?;
            let ns = procfs::cpu_ns(&[*pid]).ok()?.saturating_sub(*then);
            Some(Used {
                role: role.clone(),
                cpus: ns as f64 / 1e9 / seconds,
                rss_bytes: memory.rss,
                pss_bytes: memory.pss,
            })
        };
        before.processes.iter().filter_map(used).collect()
    }
}
