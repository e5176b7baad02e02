//! What a process has seen of one of its pools.

use super::TIMES;
use crate::figures::figures;

figures! {
    /// Counted since the pool was first seen, except where it says "now".
    numbers {
        /// Connections now: in use, idle, or being opened.
        open: Now,
        /// Of these, in the pool and free now.
        idle: Now,
        /// Who waits for one now.
        waiting: Now,
        /// How long the first of them has waited by now.
        oldest_us: MostNow,
        /// How many there may be now.
        max: Now,
        /// Held for longer than is right now.
        leaked: Now,
        /// How often one was asked for.
        asked: Total,
        /// How often one was got.
        got: Total,
        /// How often the app gave up waiting.
        gave_up: Total,
        /// How often we did for it.
        refused: Total,
        /// Connections that were opened.
        opened: Total,
        /// Connections that could not be.
        errors: Total,
        /// How long all waits took together.
        waited_us: Total,
        /// How long all uses took together.
        used_us: Total,
        /// Most that waited at once since the last report.
        waiting_peak: MostNow,
        /// Most that were in use at once since the last report.
        used_peak: MostNow,
        /// How unevenly they were asked for since the last report: the variance of how many in a tenth of a second, against
        /// their mean, in thousandths. None at all where they come at even distances, 1000 where they come independently of
        /// one another, more where they come in bursts.
        spread: MostNow,
        /// What the report is about: how long ago the last one was, or the first use since the pool rested.
        over_us: MostNow,
    }
    counts {
        /// How long was waited.
        waits: TIMES,
        /// How long a connection was held.
        uses: TIMES,
    }
}
