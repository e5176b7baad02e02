//! The highest rate at which 99 of 100 requests are answered soon.

use serde_json::json;

use super::Outcome;
use super::plan::{Behind, Stage, Turn, calm_rule, everybody, measure, measure_calm};
use super::ten_k::{at, setup};
use super::watched::Watched;
use crate::bench::context::Collector;
use crate::bench::open::{self, Load};
use crate::bench::peer::Serving;
use crate::bench::report::{Better, Headline, Table, figure};
use crate::bench::stats::median;

const P99_MS_MAX: f64 = 20.0;
const SECONDS: f64 = 2.5;
/// What an earlier rate has left undone is over by then.
const REST_SECONDS: f64 = 1.0;
/// A process whose code is not compiled yet stumbles at once, and would be judged by that.
const WARM_SECONDS: f64 = 5.0;
/// A first guess, where no earlier round has found one.
const FIRST: f64 = 14_000.0;
/// Nearer than this is noise.
const NEAR: f64 = 1.1;
const TRIES: usize = 5;

pub(super) fn run(stage: &Stage<'_>) -> anyhow::Result<Outcome> {
    let collector = Collector::start()?;
    let contenders = stage.chosen(everybody(&setup(&collector)));
    let mut highest: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    stage.turns(
        &contenders,
        || Ok(Behind::default()),
        |place, serving, _| {
            let _watched = serving.is_plimsoll().then(|| Watched::start(serving.admin)).transpose()?;
            let Some(rates) = highest.get_mut(place) else { return Ok(()) };
            measure(serving, &Load { seconds: stage.warm(WARM_SECONDS), ..at(FIRST / 2.0) }, 0.0)?;
            rates.push(find(serving, median(rates), stage.is_quick)?);
            Ok(())
        },
    )?;
    let values = contenders.iter().zip(&highest).map(|(one, rates)| (one.name.to_owned(), median(rates)));
    let headline = Headline {
        what: format!("highest rate with p99 below {P99_MS_MAX} ms"),
        unit: "/s".to_owned(),
        better: Better::Higher,
        goal: None,
        values: values.collect(),
    };
    let mut table = Table::new(&["", "highest rate, median", "by round"]);
    for (one, rates) in contenders.iter().zip(&highest) {
        let rounds: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        table.row(vec![one.name.to_owned(), figure(median(rates), "/s", 0), rounds.join(", ")]);
    }
    let rates =
        contenders.iter().zip(&highest).map(|(one, rates)| json!({ "name": one.name, "rates": rates }));
    Ok(Outcome {
        headlines: vec![headline],
        tables: vec![("The highest rate".to_owned(), table)],
        method: vec![
            format!(
                "The app and the settings of `ten-k`; {SECONDS} s at each rate, after {REST_SECONDS} s that do not count. No request may fail, and p99 must be below {P99_MS_MAX} ms; a rate is too high if that is missed twice in a row. Up or down by parts until a good and a bad rate are within 10 %, in each of {} rounds; the load generator has its part of the CPUs, which is more for who is asked more.",
                stage.rounds
            ),
            format!("{} Here only where the rate would be too high.", calm_rule()),
        ],
        raw: rates.collect(),
    })
}

fn find(serving: &Serving<'_>, guess: Option<f64>, is_quick: bool) -> anyhow::Result<f64> {
    let seconds = if is_quick { 1.0 } else { SECONDS };
    search(guess, if is_quick { 3 } else { TRIES }, |rate| {
        // What is overloaded is not to be waited for.
        let patience = std::time::Duration::from_secs(2);
        let load = Load { seconds, patience, ..at(rate) };
        let turn = measure_calm(serving, &load, REST_SECONDS, is_good)?;
        println!(
            "    {rate:.0}/s: p99 {:.1} ms, load generator {:.2} CPUs, the host took {:.1} %",
            p99(&turn),
            turn.driver_cpus,
            turn.taken * 100.0
        );
        Ok(is_good(&turn))
    })
}

fn is_good(turn: &Turn) -> bool {
    open::failures(&turn.records).is_empty() && p99(turn) < P99_MS_MAX
}

fn p99(turn: &Turn) -> f64 {
    open::latency(&turn.records).map_or(f64::INFINITY, |latency| latency.p99)
}

/// Goes up or down from the guess until it lies between one that is good and one that is not, and then between these.
/// One bad turn may be somebody else's doing, as a machine that stands still for 25 ms spoils 1 % of what 2.5 s
/// hold: only a rate that is bad twice is.
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
        if is_good(rate)? || is_good(rate)? {
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
    fn one_bad_turn_is_not_believed() {
        let mut tried = Vec::new();
        let found = search(None, 20, |rate| {
            let is_first = !tried.contains(&rate);
            tried.push(rate);
            Ok(rate <= 23_000.0 && !is_first)
        });
        assert!((20_900.0..=23_000.0).contains(&found.unwrap()), "{tried:?}");
    }

    #[test]
    fn who_never_serves_has_no_rate() {
        assert_eq!(search(None, 5, |_| Ok(false)).unwrap(), 0.0);
    }
}
