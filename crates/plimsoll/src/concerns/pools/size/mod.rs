//! How many connections a pool needs.
//!
//! If nobody had to wait, so many connections would be in use in the mean as are asked for in the time that one is in use
//! (Little's law, with the mean time of use): the load. That many are just enough where all comes at even distances and takes
//! equally long. Otherwise more than that are wanted now and then, and fewer at other times; how many, has a variance of
//! load x z, where z is 1 if connections are asked for independently of one another, however their times of use are
//! distributed. In general
//!
//! ```text
//! z = 1 - (1 - spread) x evenness     spread    variance of how many are asked for in a while, against their mean
//!                                     evenness  ∫ (1 - G)² / ∫ (1 - G), where G is the distribution of times of use: 1 if
//!                                               all take equally long, 1/2 if they are exponential
//! ```
//!
//! A spread of more than 1, of bursts, is taken for 1: what comes at once waits for about one time of use where the pool is not
//! made for it, and if it were, most of its connections would be idle.
//!
//! A pool that is larger than the load by one standard deviation makes about one in five wait, and not for long: the "square
//! root staffing" of telephone exchanges. Pools of several workers do not help one another out, so that each needs that on
//! its own, except where connections move between them.
//!
//! A queue makes none of these figures larger: they are about what is asked for and how long it is kept. Times of use are
//! not taken at a high percentile, as a large one is the better the pool the rarer it is.

use plimsoll_wire::pools::{Times, bound_us};

use super::times;
use super::window::Summary;

/// Fewer acquires per second say nothing about a size.
const RATE_MIN: f64 = 0.5;
/// So much of the time a pool is full before what waits is counted as needed.
const FULL_SHARE: f64 = 0.5;
/// More is asked for than got by so much: the queue grows, and its length says nothing about what is needed.
const GROWING: f64 = 1.05;
/// A guess that rests on a queue goes no further than this.
const FURTHER: u32 = 3;
/// A part of a connection that is not worth another one.
const TOO_LITTLE: f64 = 0.1;

/// What all pools have together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pools {
    /// How many connections there may be.
    pub(super) size: u32,
    /// Processes that have one.
    pub(super) workers: u32,
    /// Connections move to where they are wanted.
    pub(super) is_lent: bool,
}

/// All workers together; 0: not known. Where the pool is always full and the queue does not grow, it is the wait itself that
/// keeps the rate down: then those who wait are needed as well.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded before")]
pub(super) fn needed(summary: &Summary, pools: Pools) -> u32 {
    if summary.rate < RATE_MIN || summary.use_mean_ms <= 0.0 {
        return 0;
    }
    let load = (summary.rate * summary.use_mean_ms / 1000.0).clamp(0.0, 1e6);
    let alone = if pools.is_lent { 1 } else { pools.workers.max(1) };
    let part = load / f64::from(alone);
    let spare = (part * summary.peakedness).sqrt();
    let calm = ((part + spare - TOO_LITTLE).clamp(1.0, 1e6).ceil() as u32).saturating_mul(alone);
    let is_held_back = summary.full_share >= FULL_SHARE && summary.rate <= summary.got_rate * GROWING;
    let with_queue = if is_held_back { summary.in_use + summary.waiting } else { 0.0 };
    let most = pools.size.max(1).saturating_mul(FURTHER);
    calm.max((with_queue.clamp(0.0, 1e6).ceil() as u32).min(most)).max(pools.workers)
}

/// How much the number of connections that are wanted varies, against what it did if they were asked for independently: `z`
/// above.
pub(super) fn peakedness(spread: f64, uses: &Times) -> f64 {
    1.0 - (1.0 - spread.clamp(0.0, 1.0)) * evenness(uses)
}

/// 1 if all are in use for equally long. Within a bucket times are taken to lie evenly.
#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds, and times of a minute")]
fn evenness(uses: &Times) -> f64 {
    let all = times::count(uses) as f64;
    let (mut still, mut low) = (1.0, 0.0);
    let (mut mean, mut squares) = (0.0, 0.0);
    for (bucket, of_bucket) in uses.0.iter().enumerate() {
        let Some(high) = bound_us(bucket).map(|bound| bound as f64) else { break };
        let after = (still - *of_bucket as f64 / all.max(1.0)).max(0.0);
        mean += (high - low) * (still + after) / 2.0;
        squares += (high - low) * (still * still + still * after + after * after) / 3.0;
        (still, low) = (after, high);
    }
    if mean > 0.0 { squares / mean } else { 1.0 }
}

#[cfg(test)]
mod tests;
