//! How large the heap of the next process is made, and the line that says so.

use super::{Nature, Supervisor};
use crate::concerns::memory::heap::Plan;
use crate::workers::front::Front;

#[derive(Debug, Default)]
pub(super) struct Heaps {
    /// The sizes that were told last.
    told: Option<Plan>,
}

impl<F: Front> Supervisor<F> {
    /// The sizes for a process that starts now: the number of workers may have changed.
    pub(super) fn plan_heap(&mut self) -> Option<Plan> {
        let plan = self.settings.heap?.plan(self.workers());
        if self.nature == Nature::Node {
            self.tell_heap();
        }
        plan
    }

    /// What is not Node has no heap of ours: nothing is said before the first agent has spoken, and then once, unless
    /// the sizes change.
    pub(super) fn tell_heap(&mut self) {
        let workers = self.workers();
        let Some(policy) = self.settings.heap.filter(|_| !self.has_decided_variable()) else { return };
        let Some(plan) = policy.plan(workers).filter(|plan| self.heaps.told != Some(*plan)) else { return };
        self.heaps.told = Some(plan);
        tracing::info!("{}", policy.explain(workers, &plan));
        if plan.is_tight {
            tracing::warn!(
                "there is hardly enough memory for {workers} workers and a reload; hint: run fewer workers, or raise \
                 the limit of the container"
            );
        }
    }

    fn has_decided_variable(&self) -> bool {
        let overrides = self.orders.environment();
        let given =
            overrides.iter().rfind(|(name, _)| name == "NODE_OPTIONS").map(|(_, value)| value.clone());
        let options =
            given.or_else(|| Some(std::env::var_os("NODE_OPTIONS")?.to_string_lossy().into_owned()));
        options.is_some_and(|options| crate::concerns::memory::heap::is_decided(&options))
    }

    pub(super) fn workers(&self) -> u16 {
        u16::try_from(self.fleet.places().len()).unwrap_or(u16::MAX)
    }
}
