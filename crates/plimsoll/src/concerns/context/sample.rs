//! Which traces that begin here are recorded: consistent probability sampling, as OpenTelemetry has it.
//!
//! The last seven bytes of a trace id are its random point R. A share of p means that those with R ≥ T = (1 - p)·2⁵⁶ are
//! recorded, so that whoever has a larger share records all that others do. T goes on in `tracestate`, as `ot=th:…`, so
//! that counts can be computed from what was recorded.

use super::parent::TraceId;

const POINTS: u64 = 1 << 56;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    threshold: u64,
}

impl Sampler {
    #[must_use]
    pub fn new(share: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "2^56 is exact")]
        let points = POINTS as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 2^56 by the clamp"
        )]
        let threshold = ((1.0 - share.clamp(0.0, 1.0)) * points) as u64;
        // Four digits say it well enough, and are shorter in each header.
        Self { threshold: if threshold < POINTS { threshold & (u64::MAX << 40) } else { POINTS } }
    }

    #[must_use]
    pub fn samples(self, trace: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g] = trace.0;
        u64::from_be_bytes([0, a, b, c, d, e, f, g]) >= self.threshold
    }

    /// Appends what `tracestate` says of a trace that was sampled.
    pub fn push_state(self, text: &mut Vec<u8>) {
        let digits = format!("{:014x}", self.threshold.min(POINTS - 1));
        let digits = digits.trim_end_matches('0');
        text.extend_from_slice(b"ot=th:");
        text.extend_from_slice(if digits.is_empty() { "0" } else { digits }.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(point: u64) -> TraceId {
        let mut id = [7; 16];
        id[9..].copy_from_slice(&point.to_be_bytes()[1..]);
        TraceId(id)
    }

    #[test]
    fn a_share_is_the_part_of_the_points_above_its_threshold() {
        for (share, state, least) in [
            (1.0, "ot=th:0", 0),
            (0.5, "ot=th:8", 1 << 55),
            (0.25, "ot=th:c", 3 << 54),
            (0.01, "ot=th:fd7", 0xfd70 << 40),
        ] {
            let sampler = Sampler::new(share);
            let mut text = Vec::new();
            sampler.push_state(&mut text);
            assert_eq!(String::from_utf8(text).unwrap(), state);
            assert!(sampler.samples(trace(least)) && sampler.samples(trace(POINTS - 1)), "{share}");
            assert!(least == 0 || !sampler.samples(trace(least - 1)), "{share}");
        }
        assert!(!Sampler::new(0.0).samples(trace(POINTS - 1)));
    }

    #[test]
    fn who_has_the_larger_share_records_all_that_others_do() {
        let (few, many) = (Sampler::new(0.1), Sampler::new(0.3));
        for point in (0..1000).map(|step| step * (POINTS / 1000)) {
            assert!(!few.samples(trace(point)) || many.samples(trace(point)));
        }
    }
}
