//! The highest rate at which 99 of 100 requests are answered soon.

use crate::bench::peer::Serving;

use super::plan::measure;
use super::ten_k::at;
use crate::bench::open::{self, Load};

const P99_MS_MAX: f64 = 20.0;
pub(super) const TITLE: &str = "highest rate with p99 below 20 ms";
const SECONDS: f64 = 3.0;
const WARM_SECONDS: f64 = 1.0;
/// A first guess, where no earlier round has found one.
const FIRST: f64 = 14_000.0;
/// Nearer than this is noise.
const NEAR: f64 = 1.1;
const TRIES: usize = 5;

pub(super) fn method() -> String {
    format!(
        "Highest rate: {SECONDS} s at each, after {WARM_SECONDS} s that do not count; no request may fail and p99 must be below {P99_MS_MAX} ms; doubled or \
         halved by parts until two rates are within 10 %; the median of the rounds."
    )
}

pub(super) fn find(serving: &Serving<'_>, guess: Option<f64>, is_quick: bool) -> anyhow::Result<f64> {
    let seconds = if is_quick { 1.0 } else { SECONDS };
    search(guess, if is_quick { 3 } else { TRIES }, |rate| {
        // What is overloaded is not to be waited for.
        let patience = std::time::Duration::from_secs(2);
        let load = Load { seconds, patience, ..at(rate) };
        let turn = measure(serving, &load, WARM_SECONDS)?;
        let p99 = open::latency(&turn.records).map_or(f64::INFINITY, |latency| latency.p99);
        println!("    {rate:.0}/s: p99 {p99:.1} ms, load generator {:.2} CPUs", turn.driver_cpus);
        Ok(open::failures(&turn.records).is_empty() && p99 < P99_MS_MAX)
    })
}

/// Goes up or down from the guess until it lies between one that is good and one that is not, and then between these.
fn search(
    guess: Option<f64>,
    tries: usize,
    mut is_good: impl FnMut(f64) -> anyhow::Result<bool>,
) -> anyhow::Result<f64> {
    // Near to what is known, or anywhere.
    let step = if guess.is_some() { 1.12 } else { 1.4 };
    let (mut good, mut bad): (Option<f64>, Option<f64>) = (None, None);
    let mut rate = guess.unwrap_or(FIRST);
    for _ in 0..tries {
        if is_good(rate)? {
            good = Some(rate);
        } else {
            bad = Some(rate);
        }
        rate = match (good, bad) {
            (Some(good), Some(bad)) if bad / good < NEAR => break,
            (Some(good), Some(bad)) => (good * bad).sqrt(),
            (Some(good), None) => good * step,
            (None, _) => rate / step,
        };
    }
    Ok(good.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for (limit, guess) in
            [(23_000.0, None), (3_000.0, None), (15_000.0, Some(16_000.0)), (9_000.0, Some(8_000.0))]
        {
            let found = search(guess, 20, |rate| Ok(rate <= limit)).unwrap();
            assert!(found <= limit && found * NEAR > limit, "{found} for {limit}");
        }
    }

    #[test]
    fn who_never_serves_has_no_rate() {
        assert_eq!(search(None, 5, |_| Ok(false)).unwrap(), 0.0);
    }
}
