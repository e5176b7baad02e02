//! How large the heap of the next process is made, and the line that says so.

use super::{Nature, Supervisor};
use crate::concerns::memory::churn::{self, Saving};
use crate::concerns::memory::heap::{
    self, Made, Plan, Rule, Source, default_semi_space, is_decided, old_space_in, semi_space_in,
};
use crate::workers::front::Front;
use crate::workers::process::Process;

#[derive(Debug, Default)]
pub(super) struct Heaps {
    /// The sizes that were told last.
    told: Option<Plan>,
}

impl<F: Front> Supervisor<F> {
    /// The sizes for a process that starts now: the number of workers may have changed. `None`: somebody else decides about
    /// heaps.
    pub(super) fn plan_heap(&mut self) -> Option<Plan> {
        let plan = self.settings.heap?.plan(self.workers());
        if self.nature == Nature::Node {
            self.tell_heap();
        }
        plan.filter(|_| !self.has_decided_variable())
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
        is_decided(&self.node_options())
    }

    /// What the heap of a process that starts with this plan is made for.
    pub(super) fn heap_made(&self, plan: Option<Plan>) -> Made {
        let is_for_share = self.settings.heap.is_some_and(|policy| policy.rule == Rule::Auto);
        match plan {
            Some(_) if is_for_share => Made::ForShare,
            _ => Made::Otherwise,
        }
    }

    /// The old space of a process that starts with this plan.
    pub(super) fn old_space(&self, plan: Option<Plan>) -> Option<u64> {
        let by_plan = || plan.map(|plan| plan.old_mb << 20);
        old_space_in(&self.command()).or_else(|| old_space_in(&self.node_options())).or_else(by_plan)
    }

    /// What of the old space must stay free, so that the young objects have where to go: V8 collects again and again when
    /// what lives and the two semi-spaces fill it, and gives the process up soon after.
    pub(super) fn reserve(&self, plan: Option<Plan>) -> u64 {
        // Where somebody else decides, they may be small.
        let grown = plan.and_then(|_| self.semi_space(plan));
        heap::reserve(self.old_space(plan).unwrap_or(0), grown.unwrap_or(0))
    }

    /// By how much its semi-spaces grow at once; `None`: as V8 does it.
    pub(super) fn growth(&self, plan: Option<Plan>) -> Option<u32> {
        plan?.semi_space_growth(self.settings.node)
    }

    /// The semi-space of a process that starts now, in bytes; `None`: the version of Node is not known.
    pub(super) fn semi_space(&self, plan: Option<Plan>) -> Option<u64> {
        let planned = || plan.map(|plan| plan.semi_mb << 20);
        let by_itself = || {
            let node = self.settings.node?;
            Some(default_semi_space(Some(node), self.memory_of_v8()) << 20)
        };
        let given = || semi_space_in(&self.node_options());
        semi_space_in(&self.command()).or_else(given).or_else(planned).or_else(by_itself)
    }

    /// The memory that V8 sees: it does not hear of `memory.limit`.
    fn memory_of_v8(&self) -> Option<u64> {
        let limit = self.settings.memory_limit.filter(|limit| limit.source != Source::Setting);
        limit.map(|limit| limit.bytes)
    }

    /// What larger semi-spaces would save, where the workers that are busy collect so much.
    pub(super) fn saving(&self) -> Option<Saving> {
        let share = self.share()?;
        let of_one = |process: &Process| {
            let (now, most) = (process.memory.latest()?, process.semi_space?);
            churn::saving(now.scavenge_per_mille, (now.between_scavenges, most), share, self.settings.node)
        };
        self.processes.values().filter_map(of_one).max_by_key(|saving| saving.per_mille)
    }

    fn command(&self) -> String {
        let words = self.settings.command.iter().map(|word| word.to_string_lossy());
        words.collect::<Vec<_>>().join(" ")
    }

    /// What the next process finds there, without what is ours.
    fn node_options(&self) -> String {
        let given = self.orders.environment().iter().rfind(|(name, _)| name == "NODE_OPTIONS");
        let own = || std::env::var_os("NODE_OPTIONS").unwrap_or_default().to_string_lossy().into_owned();
        given.map_or_else(own, |(_, value)| value.clone())
    }

    pub(super) fn workers(&self) -> u16 {
        u16::try_from(self.fleet.places().len()).unwrap_or(u16::MAX)
    }
}
