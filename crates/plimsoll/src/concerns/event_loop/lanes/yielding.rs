//! When the next heavy request may begin.

use std::time::Duration;

use crate::concerns::event_loop::overload::Limits;

/// How long a heavy request waits for what a worker of the lane has begun for others: they would all stand still behind
/// it. Half of what makes a route heavy.
const CLEARING: Duration = Duration::from_millis(25);
/// Where one worker serves everything, a heavy request lets others go first for so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// A request that has not been answered after this many times its usual cost waits for something else than the loop.
const TIMES_COST: u32 = 2;
const LEASE_LEAST: Duration = Duration::from_millis(100);
const LEASE_MOST: Duration = Duration::from_secs(60);

/// Heavy requests wait for one another as a matter of course: what is long for them is fifty times what is long for
/// others.
pub const LIMITS: Limits = Limits {
    target: Duration::from_secs(1),
    onset: Duration::from_secs(5),
    longest: Duration::from_secs(5),
    length_max: 1_000,
};

/// For how long a heavy request keeps its worker to itself at most. It ends with the answer; this is for one that
/// waits for a database, or streams, and would keep the next from a loop that is free.
#[must_use]
pub fn tenure(cost: Duration) -> Duration {
    (cost * TIMES_COST).clamp(LEASE_LEAST, LEASE_MOST)
}

/// May it begin on a worker of the lane, which was kept free for it for so long?
#[must_use]
pub fn may_begin(kept_free: Duration, in_flight: u32) -> bool {
    in_flight == 0 || kept_free >= CLEARING
}

/// May it begin on a worker that serves everything?
#[must_use]
pub fn may_go_before_others(waited: Duration, others_wait: bool) -> bool {
    !others_wait || waited >= PATIENCE
}
