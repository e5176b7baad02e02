//! 10,000 requests a second to a route of Express, with everything switched on.

use serde_json::{Value, json};

use super::found::{self, Found};
use super::plan::{Behind, Stage, calm_rule, everybody, measure_calm};
use super::watched::Watched;
use super::{Outcome, app, figures_of};
use crate::bench::context::Collector;
use crate::bench::open::{Load, Stream};
use crate::bench::peer::Setup;
use crate::bench::report::{Better, Goal, Headline, Table, figure, megabytes};

const PER_SECOND: f64 = 10_000.0;
const WARM_SECONDS: f64 = 4.0;
/// In three rounds a minute.
const SECONDS: f64 = 20.0;
const P99_MS_MAX: f64 = 10.0;

pub(super) fn run(stage: &Stage<'_>) -> anyhow::Result<Outcome> {
    let collector = Collector::start()?;
    let setup = setup(&collector);
    let contenders = stage.chosen(everybody(&setup));
    let mut found: Vec<Found> = contenders.iter().map(|one| Found::new(one.name)).collect();
    let mut seen: Vec<Value> = Vec::new();
    let load = Load { seconds: stage.measured(SECONDS), ..at(PER_SECOND) };
    stage.turns(
        &contenders,
        || Ok(Behind::default()),
        |place, serving, _| {
            let watched = serving.is_plimsoll().then(|| Watched::start(serving.admin)).transpose()?;
            let turn = measure_calm(serving, &load, stage.warm(WARM_SECONDS), |_| false)?;
            found::add(&mut found, place, turn);
            seen.extend(watched.map(|watched| watched.seen(serving)));
            Ok(())
        },
    )?;
    let p99 = Headline::of("p99 at 10,000 requests/s", "ms", Better::Lower, &found, |one| {
        Some(one.latency(all)?.p99)
    });
    let failed = Headline::of("failed requests", "", Better::Lower, &found, |one| Some(one.failed() as f64));
    let goal = |text: &str, limit| Some(Goal { text: text.to_owned(), limit });
    let headlines = vec![
        Headline { goal: goal("p99 at most 10 ms", P99_MS_MAX), ..p99 },
        Headline { goal: goal("none failed", 0.0), ..failed },
    ];
    Ok(Outcome {
        headlines,
        tables: vec![
            ("10,000 requests a second".to_owned(), steady(&found)),
            ("Who used what meanwhile (the least disturbed round)".to_owned(), processes(&found)),
        ],
        method: method(stage, &load),
        raw: json!({
            "steady": figures_of(&found, &load, |_| Value::Null),
            "seen": seen, "collected_bytes": collector.bytes(),
        }),
    })
}

/// Two workers, and everything on.
pub(super) fn setup(collector: &Collector) -> Setup {
    Setup {
        script: app("ten_k/app.js"),
        workers: 2,
        // Of those who run the app only Plimsoll listens to the first two.
        env: vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()),
            ("OTEL_SERVICE_NAME", "products".to_owned()),
            ("NODE_ENV", "production".to_owned()),
        ],
        settings: vec![("PLIMSOLL_LOGS_ACCESS", "sample")],
        ..Setup::default()
    }
}

pub(super) fn at(per_second: f64) -> Load {
    let target = "/products/1".to_owned();
    let products = Stream { name: "products", per_second, method: "GET", target, fresh_percent: 0 };
    Load { streams: vec![products], connections_max: 512, ..Load::default() }
}

fn all(_: usize) -> bool {
    true
}

fn steady(found: &[Found]) -> Table {
    let mut table = Table::new(&[
        "",
        "requests",
        "failed",
        "how",
        "p50",
        "p99",
        "p99.9",
        "worst",
        "p99 by round",
        "CPUs",
        "load's CPUs",
        "taken by the host",
        "tries",
    ]);
    for one in found {
        let mut row = vec![one.name.to_owned(), one.requests().to_string(), one.failed().to_string()];
        row.push(one.how_failed());
        row.extend(one.quantiles(all));
        row.push(one.by_round(all, |latency| latency.p99));
        row.extend(one.load_columns());
        row.extend(one.taken_columns());
        table.row(row);
    }
    table
}

fn processes(found: &[Found]) -> Table {
    let mut table = Table::new(&["", "process", "how many", "CPUs", "RSS, all of them"]);
    for one in found {
        for (role, count, cpus, bytes) in one.by_role() {
            table.row(vec![
                one.name.to_owned(),
                role,
                count.to_string(),
                figure(Some(cpus), "", 2),
                figure(Some(megabytes(bytes)), " MB", 0),
            ]);
        }
    }
    table
}

fn method(stage: &Stage<'_>, load: &Load) -> Vec<String> {
    vec![
        format!(
            "`GET /products/1` of an Express app, two workers (plain node: one process), {} s of warming up and {} s that count in each of {} rounds. \
             At most {} connections; a request that finds none waits, and that counts.",
            stage.warm(WARM_SECONDS),
            load.seconds,
            stage.rounds,
            load.connections_max
        ),
        calm_rule(),
        "Plimsoll has everything switched on: `logs.access = \"sample\"` (to a file), traces to a collector at 1 % and whatever is slow, \
         `/metrics` asked every five seconds, the dashboard's stream open. The others write no access log, trace nothing and count nothing."
            .to_owned(),
    ]
}
