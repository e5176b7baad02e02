//! Fast requests beside a body of 2 MB, a password, a regular expression and an export of 200 MB.

use serde_json::{Value, json};

use super::Outcome;
use super::found::{self, Found};
use super::plan::{Behind, Stage, everybody, measure};
use super::{app, figures_of};
use crate::bench::open::{Load, Stream};
use crate::bench::peer::Setup;
use crate::bench::report::{Better, Headline, Table};

const FAST_PER_SECOND: f64 = 2000.0;
/// Route, how often a second. Together they keep four tenths of one CPU busy.
const HEAVY: [(&str, f64); 3] = [("/import", 2.0), ("/login", 1.0), ("/search", 1.0)];
/// A stream of 200 MB, one each four seconds.
const EXPORT: (&str, f64) = ("/export", 0.25);
/// By then code is compiled and it is known which routes are heavy.
const WARM_SECONDS: f64 = 4.0;
const SECONDS: f64 = 12.0;

pub(super) fn run(stage: &Stage<'_>) -> anyhow::Result<Outcome> {
    let setup = Setup { script: app("event_loop/app.js"), workers: 2, ..Setup::default() };
    let contenders = stage.chosen(everybody(&setup));
    let mut found: Vec<Found> = contenders.iter().map(|one| Found::new(one.name)).collect();
    let load = Load { seconds: stage.measured(SECONDS), streams: streams(), ..Load::default() };
    stage.turns(
        &contenders,
        || Ok(Behind::default()),
        |place, serving, _| {
            let turn = measure(serving, &load, stage.warm(WARM_SECONDS))?;
            found::add(&mut found, place, turn);
            Ok(())
        },
    )?;
    let offered: f64 = HEAVY.iter().map(|(_, rate)| rate).sum();
    let heavy = |one: &Found| one.answered(is_heavy) as f64 / one.seconds(&load) / offered * 100.0;
    let headlines = vec![
        Headline::of("p99 of fast requests", "ms", Better::Lower, &found, |one| {
            Some(one.latency(is_fast)?.p99)
        }),
        Headline::of("p99.9 of fast requests", "ms", Better::Lower, &found, |one| {
            Some(one.latency(is_fast)?.p999)
        }),
        Headline::of("heavy requests answered, of those sent", "%", Better::Higher, &found, |one| {
            Some(heavy(one))
        }),
        Headline::of("an export of 200 MB beside them, p50", "ms", Better::Lower, &found, |one| {
            Some(one.latency(is_export)?.p50)
        }),
    ];
    let mut table = Table::new(&[
        "",
        "p50",
        "p99",
        "p99.9",
        "worst",
        "p99.9 by round",
        "heavy/s",
        "heavy p50",
        "heavy p99",
        "export p50",
        "export p99",
        "failed",
        "CPUs",
        "load's CPUs",
    ]);
    for one in &found {
        let mut row = vec![one.name.to_owned()];
        row.extend(one.quantiles(is_fast));
        row.push(one.by_round(is_fast, |latency| latency.p999));
        row.push(format!("{:.2}", one.answered(is_heavy) as f64 / one.seconds(&load)));
        row.extend(one.quantiles(is_heavy).into_iter().take(2));
        row.extend(one.quantiles(is_export).into_iter().take(2));
        row.push(one.failed().to_string());
        row.extend(one.load_columns());
        table.row(row);
    }
    Ok(Outcome {
        headlines,
        tables: vec![("Fast requests, and the heavy ones beside them".to_owned(), table)],
        method: vec![format!(
            "{FAST_PER_SECOND} fast requests a second beside 4 heavy ones: `JSON.parse` of 2 MB (twice a second), `pbkdf2Sync` with 200,000 \
                 iterations, and `/^(a+)+$/` on what a user typed, and beside an export of 200 MB as a stream each four seconds. {} s of warming up and {} s that count, in each of {} rounds; quantiles are \
                 of all rounds together. Two workers (plain node: one process).",
            stage.warm(WARM_SECONDS),
            load.seconds,
            stage.rounds
        )],
        raw: figures_of(&found, &load, |one| heavy_figures(one, &load)),
    })
}

fn streams() -> Vec<Stream> {
    let stream = |name, per_second, target: &str| Stream {
        name,
        per_second,
        method: "GET",
        target: target.to_owned(),
        fresh_percent: 0,
    };
    let fast = stream("fast", FAST_PER_SECOND, "/items/{id}");
    let heavy = HEAVY.iter().map(|(target, per_second)| stream("heavy", *per_second, target));
    let (target, per_second) = EXPORT;
    std::iter::once(fast).chain(heavy).chain([stream("export", per_second, target)]).collect()
}

fn is_fast(stream: usize) -> bool {
    stream == 0
}

fn is_heavy(stream: usize) -> bool {
    (1..=HEAVY.len()).contains(&stream)
}

fn is_export(stream: usize) -> bool {
    stream > HEAVY.len()
}

fn heavy_figures(one: &Found, load: &Load) -> Value {
    json!({ "per_second": one.answered(is_heavy) as f64 / one.seconds(load), "latency": one.latency(is_heavy) })
}
