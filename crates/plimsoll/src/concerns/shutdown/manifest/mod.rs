//! A Kubernetes manifest held against the settings: will the pod be given the time, the signals and the probes
//! that a drain needs?
//!
//! ```text
//! text ──yaml──> documents ──workload──> pod, container ──┐
//!                                        settings ────────┴──> findings
//! ```
//!
//! Everything here is decided from the text of the manifest and from [`Settings`]. Reading files, and finding
//! out which settings the container runs with, is the caller's. What cannot be seen in a manifest is not
//! guessed at: the image's own entry point and stop signal, a PodDisruptionBudget, what a service mesh does.

mod autoscaler;
mod command;
mod finding;
mod grace;
mod node;
mod probe;
mod quantity;
mod resources;
mod rollout;
mod script;
mod shell;
#[cfg(test)]
mod tests;
mod workload;
mod yaml;

use std::net::SocketAddr;
use std::time::Duration;

pub use autoscaler::{Autoscaler, autoscalers};
pub use command::{Invocation, Shell};
pub use finding::{Code, Finding, Severity};
pub use node::{At, Node, Position};
pub use workload::{Choice, Kind, Workload, workloads};
pub use yaml::{Error, parse};

use crate::concerns::memory::heap::Rule;
use crate::config::WorkerCount;

/// What a manifest is held against: the settings in force in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long traffic is still taken after SIGTERM.
    pub delay: Duration,
    pub grace: Duration,
    pub worker_grace: Duration,
    pub workers: WorkerCount,
    /// `None`: off.
    pub admin: Option<SocketAddr>,
    /// The address of `--listen`, if it was given.
    pub listen: Option<SocketAddr>,
    /// How Plimsoll makes the heaps, with how many processes more during a reload, and of which memory where that is set.
    pub heaps: Rule,
    pub surge: u16,
    pub memory_limit: Option<u64>,
}

/// What the checks look at.
struct Subject<'a> {
    workload: &'a Workload<'a>,
    container: &'a At<'a>,
    settings: &'a Settings,
}

/// Everything that is wrong, in the order of the lines.
#[must_use]
pub fn examine(workload: &Workload<'_>, container: &At<'_>, settings: &Settings) -> Vec<Finding> {
    let subject = Subject { workload, container, settings };
    let mut findings = grace::check(&subject);
    findings.extend(probe::check(&subject));
    findings.extend(resources::check(&subject));
    findings.extend(rollout::check(workload));
    findings.sort_by_key(|finding| (finding.position, finding.code));
    findings
}

impl Subject<'_> {
    /// The text of a variable; `None` also where it comes from elsewhere (`valueFrom`).
    fn variable(&self, name: &str) -> Option<&str> {
        let variables = self.container.get("env")?.items();
        // Kubernetes lets the last one win.
        variables.iter().rev().find(|each| each.text_of("name") == Some(name))?.text_of("value")
    }

    /// How many workers there will be; `None`: as many as the node has CPUs.
    fn workers(&self) -> Option<u64> {
        match (self.settings.workers, self.limit("cpu")) {
            (WorkerCount::Exactly(workers), _) => Some(u64::from(workers)),
            (WorkerCount::Auto, Some((_, cpus))) => Some(whole(cpus).max(1)),
            (WorkerCount::Auto, None) => None,
        }
    }

    /// A resource limit of the container, else that of the whole pod.
    fn limit(&self, resource: &str) -> Option<(At<'_>, f64)> {
        let path = ["resources", "limits", resource];
        let at = self.container.descend(&path).or_else(|| self.workload.pod.descend(&path))?;
        let value = quantity::parse(at.text()?)?;
        Some((at, value))
    }
}

fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "such a cast saturates, and quantities are not negative"
    )]
    let whole = number as u64;
    whole
}
