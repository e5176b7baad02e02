//! What is said of memory.

use plimsoll_wire::memory::Pauses;
use serde::{Deserialize, Serialize};

use crate::concerns::memory::seen::Use;

/// Of the whole instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What one worker may hold so that all of them fit, with a reload under way; absent: it is not known.
    pub share_bytes: Option<u64>,
    pub recycled: Recycled,
    /// Heaps that grow and grow, as they were told; newest first.
    #[serde(default)]
    pub leaks: Vec<Leak>,
    /// What requests allocate in the heap, by route; those that allocate most in all are the first. What is held outside
    /// the heap, as buffers are, is not in it.
    #[serde(default)]
    pub churn: Vec<Churn>,
    /// What larger semi-spaces would save of the time of the worker that collects most; absent: hardly anything, or there is
    /// no room for them.
    #[serde(default)]
    pub saving: Option<Saving>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    pub worker: u16,
    pub age_s: u64,
    /// What major collections left, at the beginning and at the end.
    pub from_bytes: u64,
    pub to_bytes: u64,
    pub over_s: u64,
    /// That the worker has served meanwhile.
    pub requests: u64,
    /// Routes whose requests rise and fall with the growth; none: traffic was too even to tell.
    pub suspects: Vec<Suspect>,
    pub text: String,
    pub hint: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    pub route: String,
    /// By how much the heap grows for each of its requests.
    pub bytes_per_request: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Churn {
    pub route: String,
    /// Of one request, in the mean.
    pub bytes_per_request: u64,
    /// Requests of which that was measured.
    pub weighed: u32,
    /// Of all that the routes named here allocate, by the number of their requests since the start.
    pub share_per_mille: u32,
}

/// An estimate, from the share of minor collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saving {
    /// `--max-semi-space-size`
    pub semi_space_mb: u64,
    pub per_mille: u32,
}

/// Workers that were renewed, by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recycled {
    /// Their heap was nearly full.
    pub heap: u64,
    /// They held nearly all of their share.
    pub resident: u64,
    /// They had served `workers.max_requests`.
    pub requests: u64,
}

/// Of one worker, all its processes together, as they told it last: at most twice a second, and not while they are idle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerMemory {
    pub heap_used_bytes: u64,
    pub heap_total_bytes: u64,
    /// 0: not known.
    pub heap_limit_bytes: u64,
    /// What the last major collection left; 0: there was none yet.
    pub heap_after_gc_bytes: u64,
    /// What JavaScript holds outside the heap, array buffers with it.
    pub external_bytes: u64,
    pub array_buffers_bytes: u64,
    pub allocated_bytes_per_s: u64,
    /// In the heap, as far as collections have shown.
    pub allocated_bytes: u64,
    /// Share of the loop's time, less that in which it waits, lately.
    pub gc_per_mille: u32,
    /// The part of it that is for minor collections.
    #[serde(default)]
    pub scavenge_per_mille: u32,
    pub gc: Vec<Collections>,
    /// In words, where the heap grows and grows.
    #[serde(default)]
    pub growth: Option<String>,
}

/// Collections of one kind since the process started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collections {
    pub kind: GcKind,
    pub count: u64,
    pub total_us: u64,
    /// By how long they took: up to 1 ms, 10 ms, 100 ms, 1 s, 2 s, 5 s, 10 s, longer. Not cumulative.
    pub pauses: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GcKind {
    Minor,
    Major,
    Incremental,
    Weakcb,
}

impl GcKind {
    const ALL: [Self; 4] = [Self::Minor, Self::Major, Self::Incremental, Self::Weakcb];

    /// As `v8js.gc.type` of OpenTelemetry.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Incremental => "incremental",
            Self::Weakcb => "weakcb",
        }
    }
}

impl WorkerMemory {
    /// Time in collections of all kinds.
    #[must_use]
    pub fn collected_us(&self) -> u64 {
        self.gc.iter().map(|kind| kind.total_us).sum()
    }

    #[must_use]
    pub fn new(seen: &Use, growth: Option<String>) -> Self {
        let figures = &seen.figures;
        let of_kind = |(kind, pauses): (GcKind, &Pauses)| Collections {
            kind,
            count: pauses.count(),
            total_us: pauses.total_us,
            pauses: pauses.buckets.to_vec(),
        };
        Self {
            heap_used_bytes: figures.heap_used,
            heap_total_bytes: figures.heap_total,
            heap_limit_bytes: figures.heap_limit,
            heap_after_gc_bytes: figures.after_major,
            external_bytes: figures.external,
            array_buffers_bytes: figures.array_buffers,
            allocated_bytes_per_s: seen.allocated_per_s,
            allocated_bytes: figures.allocated,
            gc_per_mille: seen.gc_per_mille,
            scavenge_per_mille: seen.scavenge_per_mille,
            gc: GcKind::ALL.into_iter().zip(&figures.pauses).map(of_kind).collect(),
            growth,
        }
    }
}
