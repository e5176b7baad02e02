//! What a process has seen of the calls to one origin.

use super::BUCKETS;
use crate::figures::figures;

figures! {
    /// Counted since the process began, except where it says "now".
    numbers {
        /// Calls in flight now.
        in_flight: Now,
        /// Calls that wait for their turn now.
        waiting: Now,
        /// Calls that are over.
        calls: Total,
        /// Of these: no answer, or a broken one.
        errors: Total,
        /// Of the errors: the app had waited as long as it wanted to.
        timeouts: Total,
        /// Of the errors: the app gave the call up for a reason of its own.
        given_up: Total,
        /// Of the calls: answered 500 or more.
        failed: Total,
        /// Calls that had to wait.
        queued: Total,
        /// How long they waited together.
        waited_ms: Total,
        /// Calls that were refused: the queue was full, or they had waited too long.
        refused: Total,
        /// How long all calls took together.
        took_ms: Total,
        /// Most calls of one process in flight at once since the last report.
        peak: MostNow,
        /// Requests of clients whose calls to this origin were counted apart.
        fan_outs: Total,
        /// Most parallel calls that one such request made.
        fan_out_max: Most,
        /// What 99 of 100 of the latest stayed within.
        fan_out_p99: MostNow,
        /// Where only observed: calls that the limit would have made wait.
        would_queue: Total,
        /// For how long together.
        would_wait_ms: Total,
        /// Calls that it would have refused.
        would_refuse: Total,
        /// Slots that came back because nobody had read the answer's body.
        abandoned: Total,
        /// Of http2: sessions that were opened.
        sessions: Total,
        /// Of the calls: those for which no limit holds, the streams of these sessions.
        unlimited: Total,
        /// Calls that were refused because the breaker was open.
        broken: Total,
        /// Calls that a client's request made again after they had failed.
        retries: Total,
        /// Of these: those that were refused because there were too many.
        retries_refused: Total,
    }
    counts {
        /// Calls by how long they took.
        durations: BUCKETS,
    }
}
