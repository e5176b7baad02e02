//! How large the heap of a worker may be: the memory that there is, divided by all who need some.
//!
//! ```text
//!   limit (container, machine, or set by hand)
//!   − RESERVED               Plimsoll, and what all Nodes share
//!   ÷ workers + surge        a reload must fit as well
//!   = share of a process  ── native: NATIVE and an eighth
//!                         ── young generation: three semi-spaces, at most a sixth
//!                         └─ old space: the rest
//! ```
//!
//! V8 alone takes half of what the container has, for each process; that is too little for one worker, and too much for
//! four. And its semi-spaces follow the memory that there is: a container of 1 GB gets 4 MB on Node 22. So both are always told.

use crate::concerns::words::counted;
use crate::config::{AgentMode, Config, Heap};

const MB: u64 = 1 << 20;

/// Plimsoll with its buffers, and the pages of Node's executable, which all workers share.
const RESERVED: u64 = 64 * MB;
/// What an idle Node has beside its heap, with some room for compiled code and the threads of libuv. Buffers and
/// addons grow with the app: they get an eighth of the share on top.
const NATIVE: u64 = 24 * MB;
const NATIVE_PART: u64 = 8;
/// The most that the young generation may have of a share.
const YOUNG_PART: u64 = 6;
/// V8 keeps two semi-spaces, and as much again for large objects.
const SEMI_SPACES: u64 = 3;
/// Below this hardly any app starts.
const OLD_LEAST: u64 = 32 * MB;
/// As V8's own: with a larger heap, collections take long enough that it is worth a decision.
const OLD_MOST: u64 = 4096 * MB;

/// What is to be done about heaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Computed from the memory that there is.
    Auto,
    /// V8 decides.
    Off,
    /// Old space of this size.
    Size(u64),
}

impl Rule {
    /// What the settings say; without the agent nobody carries it out.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        match config.memory.heap {
            _ if config.workers.agent == AgentMode::Off => Self::Off,
            Heap::Off => Self::Off,
            Heap::Auto => Self::Auto,
            Heap::Bytes(bytes) => Self::Size(bytes),
        }
    }
}

/// Who says how much memory there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Container,
    Machine,
    /// `memory.limit`.
    Setting,
}

/// Memory for the whole instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub bytes: u64,
    pub source: Source,
}

/// How heaps are made, as long as the instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub rule: Rule,
    pub limit: Limit,
    /// Processes above the number of workers during a reload.
    pub surge: u16,
    /// The major version of the Node that will run; `None`: not known.
    pub node: Option<u32>,
}

/// What all workers may have together.
#[must_use]
pub fn for_workers(limit: Limit) -> u64 {
    limit.bytes.saturating_sub(RESERVED)
}

/// What one process may have, where there are so many.
#[must_use]
pub fn share(limit: Limit, workers: u16, surge: u16) -> u64 {
    let processes = u64::from(workers.max(1)) + u64::from(surge);
    for_workers(limit) / processes
}

/// The sizes of one worker's heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What a process may have in all.
    pub share_bytes: u64,
    pub old_mb: u64,
    pub semi_mb: u64,
    /// There is less than any app needs, and it gets that.
    pub is_tight: bool,
}

impl Policy {
    /// The sizes for so many workers; `None`: heaps are V8's own affair.
    #[must_use]
    pub fn plan(&self, workers: u16) -> Option<Plan> {
        let share_bytes = share(self.limit, workers, self.surge);
        let (old, semi_mb) = match self.rule {
            Rule::Off => return None,
            Rule::Size(bytes) => (bytes, semi_space(bytes / YOUNG_PART, self.node)),
            Rule::Auto => {
                let semi_mb = semi_space(share_bytes / YOUNG_PART, self.node);
                let young = SEMI_SPACES * MB * semi_mb;
                let native = NATIVE + share_bytes / NATIVE_PART;
                (share_bytes.saturating_sub(young + native).min(OLD_MOST), semi_mb)
            }
        };
        let is_tight = old < OLD_LEAST;
        Some(Plan { share_bytes, old_mb: old.max(OLD_LEAST) / MB, semi_mb, is_tight })
    }

    /// The arithmetic, in one line.
    #[must_use]
    pub fn explain(&self, workers: u16, plan: &Plan) -> String {
        let semi = format!("semi-spaces of {} MB", plan.semi_mb);
        let old_mb = plan.old_mb;
        if matches!(self.rule, Rule::Size(_)) {
            return format!("heap of each worker: {old_mb} MB of old space (memory.heap), {semi}");
        }
        let whose = match self.limit.source {
            Source::Container => "of the container",
            Source::Machine => "of the machine",
            Source::Setting => "of memory.limit",
        };
        let many = counted(workers, "worker");
        format!(
            "heap of each worker: ({} MB {whose} - {} MB for Plimsoll and what workers share) / ({many} + {} during a \
             reload) = {} MB; of these {old_mb} MB are old space, with {semi}",
            self.limit.bytes / MB,
            RESERVED / MB,
            self.surge,
            plan.share_bytes / MB,
        )
    }
}

/// The semi-space that pays and has room in `young` bytes, in MB.
fn semi_space(young: u64, node: Option<u32>) -> u64 {
    let room = (young / SEMI_SPACES / MB).max(1);
    wanted_semi_space(node).min(1 << room.ilog2())
}

/// Where objects live for the time of a request, a larger semi-space means that fewer of them are copied. Measured with
/// `cargo xtask bench memory`.
fn wanted_semi_space(node: Option<u32>) -> u64 {
    match node {
        Some(..=22) => 32,
        _ => largest_semi_space(node),
    }
}

/// In MB, as V8 has it at most where nobody says anything.
fn largest_semi_space(node: Option<u32>) -> u64 {
    match node {
        Some(..=22) | None => 16,
        Some(23..=25) => 64,
        Some(_) => 32,
    }
}

/// In MB, as V8 has it where nobody says anything: a part of the old space that it takes, which is half of the memory that it
/// sees. Found in control groups of 300 MB to 8 GB; Node 18 does not look at its own.
#[must_use]
pub fn default_semi_space(node: Option<u32>, memory: Option<u64>) -> u64 {
    const LOW: u64 = 256 * MB;
    let largest = largest_semi_space(node);
    let Some(memory) = memory.filter(|_| node.is_none_or(|major| major > 18)) else { return largest };
    let old = (memory / 2).min(OLD_MOST / 2);
    let part = match node {
        Some(26..) => 64,
        _ if old <= LOW => 256,
        Some(23..=25) => 32,
        _ => 128,
    };
    // V8 rounds up to a power of two.
    (old / part).div_ceil(MB).next_power_of_two().min(largest)
}

/// What the heaps of a worker were made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// By a [`Plan`]: with all that the worker holds beside them they fit its share.
    ForShare,
    /// By hand, or by V8: they may be larger than that.
    Otherwise,
}

/// The whole heap that belongs to such an old space.
#[must_use]
pub fn with_young(old_space: u64, semi_space: u64) -> u64 {
    old_space.saturating_add(semi_space.saturating_mul(SEMI_SPACES))
}

/// What a worker may hold whose heap was not made for its share: the heap, and beside it as much as in a [`Plan`]. `left`:
/// what others do not hold of the memory that there is. Never less than the share.
#[must_use]
pub fn most_held(heap: u64, share: u64, left: u64) -> u64 {
    let beside = heap.saturating_add(NATIVE);
    let whole = beside.saturating_add(beside / (NATIVE_PART - 1));
    whole.min(left).max(share)
}

/// What two semi-spaces need of an old space, all in bytes: a quarter at most. Somebody may have asked for an old space that is smaller
/// than the semi-spaces that were planned, and it must not look full when it is empty.
#[must_use]
pub fn reserve(old_space: u64, semi_space: u64) -> u64 {
    semi_space.saturating_mul(2).min(old_space / 4)
}

impl Plan {
    /// For `NODE_OPTIONS`.
    #[must_use]
    pub fn options(&self) -> String {
        format!("--max-old-space-size={} --max-semi-space-size={}", self.old_mb, self.semi_mb)
    }

    /// By how much semi-spaces grow at once where collections of young objects take long: to their full size, whose room is set
    /// aside anyhow. `None`: as V8 does it.
    ///
    /// V8 begins with a small one and doubles it when as much has survived as it holds; of objects that live as long as a
    /// request so little survives that it hardly ever grows, however large it may be. A list of 300 rows, 64 at a time
    /// (`cargo xtask bench memory`, an AMD EPYC with 32 MB of L3): half of the scavenges and 3 to 6 % less time on Node 20 and 22.
    /// From 23 on V8's own sizes are larger and collections take half as much; to fill them at once costs more
    /// than it saves (3.5 % on 24), so that it is done only where they had to be made smaller.
    /// The option is not allowed in `NODE_OPTIONS`, but may be set while the process runs: the agent does it.
    #[must_use]
    pub fn semi_space_growth(&self, node: Option<u32>) -> Option<u32> {
        let pays = node? <= 22 || self.semi_mb < wanted_semi_space(node);
        pays.then_some(32)
    }
}

/// Whether somebody has decided about heaps: options of V8 in a command or in `NODE_OPTIONS`.
#[must_use]
pub fn is_decided(options: &str) -> bool {
    const NAMES: [&str; 7] = [
        "--max-old-space-size",
        "--max-heap-size",
        "--initial-heap-size",
        "--initial-old-space-size",
        "--max-semi-space-size",
        "--min-semi-space-size",
        "--semi-space-growth-factor",
    ];
    // V8 reads both.
    let options = options.replace('_', "-");
    NAMES.iter().any(|name| options.contains(name))
}

/// The old space that options ask for, in bytes; the last one counts, as for Node.
#[must_use]
pub fn old_space_in(options: &str) -> Option<u64> {
    size_in(options, "--max-old-space-size")
}

/// The semi-space that they ask for.
#[must_use]
pub fn semi_space_in(options: &str) -> Option<u64> {
    size_in(options, "--max-semi-space-size")
}

fn size_in(options: &str, name: &str) -> Option<u64> {
    let options = options.replace('_', "-");
    let (_, value) = options.rsplit_once(name)?;
    // `--max-old-space-size-percentage` is another one.
    let value = value.strip_prefix(['=', ' '])?.trim_start();
    let digits = value.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse::<u64>().ok()?.checked_mul(MB)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(limit_mb: u64, surge: u16, node: u32, rule: Rule) -> Policy {
        let limit = Limit { bytes: limit_mb * MB, source: Source::Container };
        Policy { rule, limit, surge, node: Some(node) }
    }

    #[test]
    fn the_container_is_divided_by_all_who_need_some() {
        // Limit, workers, surge, Node: share, old space, semi-space, tight.
        let table = [
            (512, 1, 1, 20, (224, 148, 8, false)),
            (512, 4, 1, 20, (89, 42, 4, false)),
            (512, 4, 1, 24, (89, 42, 4, false)),
            (512, 4, 4, 22, (56, 32, 2, true)),
            (1024, 1, 1, 22, (480, 348, 16, false)),
            (1024, 2, 1, 22, (320, 208, 16, false)),
            (2048, 1, 1, 20, (992, 748, 32, false)),
            (2048, 1, 1, 24, (992, 748, 32, false)),
            (8192, 4, 1, 20, (1625, 1302, 32, false)),
            (8192, 4, 1, 24, (1625, 1206, 64, false)),
            (8192, 4, 1, 26, (1625, 1302, 32, false)),
            (24_000, 1, 1, 22, (11_968, 4096, 32, false)),
            (64, 1, 1, 22, (0, 32, 1, true)),
            (0, 0, 0, 22, (0, 32, 1, true)),
        ];
        for (limit, workers, surge, node, expected) in table {
            let plan = policy(limit, surge, node, Rule::Auto).plan(workers).unwrap();
            let found = (plan.share_bytes / MB, plan.old_mb, plan.semi_mb, plan.is_tight);
            assert_eq!(found, expected, "{limit} MB, {workers} + {surge}, Node {node}");
        }
    }

    #[test]
    fn semi_spaces_grow_at_once_where_they_are_small() {
        // Node, semi-space of the plan: whether.
        let table = [
            (Some(20), 32, Some(32)),
            (Some(22), 16, Some(32)),
            (Some(24), 64, None),
            (Some(24), 4, Some(32)),
            (Some(26), 32, None),
            (None, 8, None),
        ];
        for (node, semi_mb, expected) in table {
            let plan = Plan { share_bytes: 0, old_mb: 0, semi_mb, is_tight: false };
            assert_eq!(plan.semi_space_growth(node), expected, "Node {node:?}, {semi_mb} MB");
        }
    }

    #[test]
    fn all_heaps_together_fit_with_a_reload_under_way() {
        for (limit, workers, surge) in [(512, 4, 1), (1024, 1, 1), (2048, 16, 2), (65_536, 8, 1)] {
            for node in [18, 20, 22, 24, 26] {
                let plan = policy(limit, surge, node, Rule::Auto).plan(workers).unwrap();
                let each = plan.old_mb + SEMI_SPACES * plan.semi_mb;
                assert!(each * u64::from(workers + surge) < limit - RESERVED / MB, "{limit} {node} {plan:?}");
            }
        }
    }

    #[test]
    fn more_memory_never_means_a_smaller_semi_space() {
        for node in [Some(18), Some(22), Some(24), Some(26), None] {
            for workers in [1, 4] {
                let semi_mb = |limit_mb: u64| {
                    let limit = Limit { bytes: limit_mb * MB, source: Source::Container };
                    let policy = Policy { rule: Rule::Auto, limit, surge: 1, node };
                    let plan = policy.plan(workers).unwrap();
                    assert!(plan.options().ends_with(&format!("--max-semi-space-size={}", plan.semi_mb)));
                    plan.semi_mb
                };
                let sizes: Vec<u64> = (1..=128).map(|step| semi_mb(step * 128)).collect();
                assert!(sizes.is_sorted(), "Node {node:?}, {workers} workers: {sizes:?}");
            }
        }
    }

    #[test]
    fn what_v8_takes_by_itself_follows_the_memory() {
        // In MB: the container, and what `v8.getHeapStatistics` has shown there.
        let table = [
            (18, Some(512), 16),
            (20, Some(300), 1),
            (22, Some(512), 1),
            (22, Some(600), 4),
            (22, Some(1024), 4),
            (22, Some(2048), 8),
            (22, Some(3000), 16),
            (22, None, 16),
            (24, Some(512), 1),
            (24, Some(600), 16),
            (24, Some(1024), 16),
            (24, Some(1536), 32),
            (24, Some(3000), 64),
            (24, Some(24_000), 64),
            (26, Some(300), 4),
            (26, Some(600), 8),
            (26, Some(1536), 16),
            (26, Some(24_000), 32),
            (26, None, 32),
            (22, Some(0), 1),
        ];
        for (node, memory, expected) in table {
            let found = default_semi_space(Some(node), memory.map(|mb| mb * MB));
            assert_eq!(found, expected, "Node {node}, {memory:?} MB");
        }
    }

    #[test]
    fn who_has_a_larger_heap_by_hand_may_hold_more_as_long_as_it_is_there() {
        // In MB: old space, semi-space, share, what others leave: what it may hold.
        let table = [
            ("1 GB, one worker, 768 MB by hand", (768, 16, 480, 960), 960),
            ("there is more", (768, 16, 480, 4000), 960),
            ("others have the rest", (768, 16, 480, 600), 600),
            ("its share it may hold in any case", (768, 16, 480, 100), 480),
            ("a heap that is smaller than the share", (100, 4, 480, 960), 480),
            ("no container is so large", (u64::MAX / MB, 16, 480, 960), 960),
        ];
        for (case, (old, semi, share, left), expected) in table {
            let heap = with_young(old * MB, semi * MB);
            assert_eq!(most_held(heap, share * MB, left * MB) / MB, expected, "{case}");
        }
    }

    #[test]
    fn a_plan_of_the_same_heap_has_the_same_share() {
        for limit in [512, 1024, 8192] {
            let plan = policy(limit, 1, 22, Rule::Auto).plan(1).unwrap();
            let held = most_held(with_young(plan.old_mb * MB, plan.semi_mb * MB), 0, u64::MAX);
            assert!(held.abs_diff(plan.share_bytes) <= 2 * MB, "{limit}: {held} {plan:?}");
        }
    }

    #[test]
    fn sizes_by_hand_and_off() {
        assert_eq!(policy(512, 1, 20, Rule::Off).plan(4), None);
        let by_hand = policy(512, 1, 20, Rule::Size(1024 * MB));
        let plan = by_hand.plan(4).unwrap();
        assert_eq!(plan.options(), "--max-old-space-size=1024 --max-semi-space-size=32");
        assert_eq!(
            by_hand.explain(4, &plan),
            "heap of each worker: 1024 MB of old space (memory.heap), semi-spaces of 32 MB"
        );
    }

    #[test]
    fn the_arithmetic_is_told() {
        let policy = policy(512, 1, 20, Rule::Auto);
        let plan = policy.plan(4).unwrap();
        assert_eq!(
            policy.explain(4, &plan),
            "heap of each worker: (512 MB of the container - 64 MB for Plimsoll and what workers share) / (4 workers + 1 \
             during a reload) = 89 MB; of these 42 MB are old space, with semi-spaces of 4 MB"
        );
        assert_eq!(plan.options(), "--max-old-space-size=42 --max-semi-space-size=4");
    }

    #[test]
    fn the_old_space_that_somebody_asked_for_is_known() {
        let table = [
            ("--max-old-space-size=300", Some(300 * MB)),
            ("node --max_old_space_size 300 server.js", Some(300 * MB)),
            ("--max-old-space-size=1 -r x --max-old-space-size=2 -r y", Some(2 * MB)),
            ("--max-old-space-size-percentage=50", None),
            ("--max-semi-space-size=16", None),
            ("--max-old-space-size=x", None),
        ];
        for (options, expected) in table {
            assert_eq!(old_space_in(options), expected, "{options}");
        }
    }

    #[test]
    fn who_has_decided_is_left_alone() {
        let table = [
            ("--max-old-space-size=300", true),
            ("node --max_old_space_size 300 server.js", true),
            ("--max-old-space-size-percentage=50", true),
            ("--require x --max-semi-space-size=16", true),
            ("--max-http-header-size=16384", false),
            ("", false),
        ];
        for (options, expected) in table {
            assert_eq!(is_decided(options), expected, "{options}");
        }
    }

    #[test]
    fn an_old_space_keeps_room_for_the_young_and_is_never_all_reserved() {
        let table = [((42, 4), 8), ((42, 32), 10), ((4096, 32), 64), ((42, 0), 0), ((0, 32), 0)];
        for ((old, semi), expected) in table {
            assert_eq!(reserve(old, semi), expected, "{old} {semi}");
        }
    }
}
