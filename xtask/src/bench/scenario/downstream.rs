//! One request makes fifty calls at once to a service that stands twenty.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::found::{self, Found};
use super::plan::{Behind, Contender, Stage, everybody, measure};
use super::{Outcome, app, figures_of};
use crate::bench::child::Child;
use crate::bench::client::{self, Address};
use crate::bench::open::{Load, Stream};
use crate::bench::peer::{Peer, Setup};
use crate::bench::pools::{install_packages, shop};
use crate::bench::report::{Better, Headline, Table};
use crate::bench::stats::max;
use crate::bench::wait;
use crate::bench::workshop::{Workshop, free_port};

/// Half of what the service can do, if it is asked twenty at a time.
const PER_SECOND: f64 = 10.0;
const CALLS: usize = 50;
const WARM_SECONDS: f64 = 2.0;
const SECONDS: f64 = 12.0;
/// Clients wait no longer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn run(stage: &Stage<'_>) -> anyhow::Result<Outcome> {
    install_packages()?;
    let contenders = stage.chosen(contenders());
    let mut found: Vec<Found> = contenders.iter().map(|one| Found::new(one.name)).collect();
    let mut peaks: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    let load =
        Load { seconds: stage.measured(SECONDS), patience: PATIENCE, streams: streams(), ..Load::default() };
    stage.turns(
        &contenders,
        || behind(stage.workshop),
        |place, serving, behind| {
            let turn = measure(serving, &load, stage.warm(WARM_SECONDS))?;
            found::add(&mut found, place, turn);
            let service = behind.what.as_ref().and_then(|what| what.downcast_ref::<Service>());
            let peak = service.context("there is no service")?.peak()?;
            peaks.get_mut(place).into_iter().for_each(|all| all.push(peak));
            Ok(())
        },
    )?;
    let mut peak =
        Headline::of("most calls at once that the service had", "", Better::Lower, &found, |_| None);
    for (all, (_, value)) in peaks.iter().zip(&mut peak.values) {
        *value = max(all);
    }
    Ok(Outcome {
        headlines: vec![
            Headline::of("requests answered within 2 s", "%", Better::Higher, &found, answered),
            Headline::of("p99 of those", "ms", Better::Lower, &found, |one| Some(one.latency(|_| true)?.p99)),
            peak,
        ],
        tables: vec![("A fan-out of 50 onto a service that stands 20".to_owned(), table(&found))],
        method: vec![format!(
            "`GET /orders?ids={CALLS}` of `examples/shop`, {PER_SECOND} times a second: each makes {CALLS} calls at once to \
             `bench/scenarios/downstream/service.js`, which serves 1,000 calls a second 20 at a time, and above takes longer by the square of what is \
             too much. Clients wait 2 s. {} s of warming up and {} s that count in each of {} rounds; the service is fresh in each turn. \
             `Plimsoll` only observes; `limit 20` is `downstream.default.concurrency = 20` with `mode = \"enforce\"`, for both workers together.",
            stage.warm(WARM_SECONDS),
            load.seconds,
            stage.rounds
        )],
        raw: figures_of(&found, &load, |_| Value::Null).as_array().map_or(Value::Null, |all| {
            json!(
                all.iter()
                    .zip(&peaks)
                    .map(|(one, peaks)| json!({ "found": one, "peaks": peaks }))
                    .collect::<Vec<_>>()
            )
        }),
    })
}

/// Once as it comes, and once with the limit.
fn contenders() -> Vec<Contender> {
    let setup = Setup {
        script: shop().join("server.js"),
        workers: 2,
        env: vec![("LOG_LEVEL", "error".to_owned())],
        ..Setup::default()
    };
    let mut contenders = everybody(&setup);
    let limit = vec![
        ("PLIMSOLL_DOWNSTREAM_DEFAULT_MODE", "enforce"),
        ("PLIMSOLL_DOWNSTREAM_DEFAULT_CONCURRENCY", "20"),
    ];
    let limited = Setup { settings: limit, ..setup };
    contenders.push(Contender { name: "Plimsoll, limit 20", ..Contender::new(Peer::Plimsoll, limited) });
    contenders
}

fn answered(one: &Found) -> Option<f64> {
    Some(one.answered(|_| true) as f64 * 100.0 / one.requests() as f64)
}

fn table(found: &[Found]) -> Table {
    let mut table = Table::new(&[
        "",
        "requests",
        "answered within 2 s",
        "how others ended",
        "p50",
        "p99",
        "p99.9",
        "worst",
    ]);
    for one in found {
        let share = answered(one).unwrap_or(0.0);
        let mut row =
            vec![one.name.to_owned(), one.requests().to_string(), format!("{share:.1} %"), one.how_failed()];
        row.extend(one.quantiles(|_| true));
        table.row(row);
    }
    table
}

fn streams() -> Vec<Stream> {
    let target = format!("/orders?ids={CALLS}");
    vec![Stream { name: "orders", per_second: PER_SECOND, method: "GET", target, fresh_percent: 0 }]
}

/// The service that collapses.
struct Service {
    address: Address,
    _child: Child,
}

fn behind(workshop: &Workshop) -> anyhow::Result<Behind> {
    let port = free_port()?;
    let service = Service::start(workshop, port, &app("downstream/service.js"))?;
    let url = format!("http://127.0.0.1:{port}");
    Ok(Behind { env: vec![("STOCK_URL", url)], what: Some(Box::new(service)) })
}

impl Service {
    fn start(workshop: &Workshop, port: u16, script: &Path) -> anyhow::Result<Self> {
        let child = Child::start(&workshop.node, None, &workshop.log("service"), |command| {
            command.arg(script).env("PORT", port.to_string()).env_remove("NODE_OPTIONS");
        })?;
        let address = Address::port(port);
        wait::until(wait::START_WITHIN, "the service", || client::get(&address, "/").ok())?;
        Ok(Self { address, _child: child })
    }

    fn peak(&self) -> anyhow::Result<f64> {
        let figures: Value = serde_json::from_str(&client::get(&self.address, "/figures")?)?;
        figures.get("peak").and_then(Value::as_f64).context("the service tells no peak")
    }
}
