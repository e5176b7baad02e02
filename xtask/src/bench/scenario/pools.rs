//! Eight workers, each with a pool of twenty, and a database that has a hundred connections.

use std::time::Duration;

use serde_json::Value;

use super::found::{self, Found};
use super::plan::{Behind, Contender, Stage, everybody, measure};
use super::{Outcome, figures_of};
use crate::bench::open::{Load, Stream};
use crate::bench::peer::{Peer, Setup};
use crate::bench::pools::{Database, install_packages, shop};
use crate::bench::report::{Better, Goal, Headline, Table};

const MAX_CONNECTIONS: u32 = 100;
const WORKERS: usize = 8;
const POOL: u32 = 20;
/// The database takes so long for a query; 97 connections then serve 240 a second.
const QUERY_MS: u32 = 400;
/// A little less: they are all wanted, and would be enough.
const PER_SECOND: f64 = 230.0;
/// From the first request: pools are empty then, and whoever fails those that come meanwhile has the least to do later.
const SECONDS: f64 = 11.0;

pub(super) fn run(stage: &Stage<'_>) -> anyhow::Result<Outcome> {
    install_packages()?;
    let setup = Setup {
        script: shop().join("server.js"),
        workers: WORKERS,
        env: vec![("LOG_LEVEL", "silent".to_owned()), ("POOL_MAX", POOL.to_string())],
        file: format!("[pools]\nmax_connections = {MAX_CONNECTIONS}\n"),
        ..Setup::default()
    };
    let mut contenders = everybody(&setup);
    // One process has one pool, which is not too many for anybody.
    contenders.retain(|one| one.peer != Peer::Node);
    let file = format!("[pools]\nmode = \"enforce\"\nmax_connections = {MAX_CONNECTIONS}\n");
    let shared = Setup { file, ..setup };
    contenders.push(Contender { name: "Plimsoll, enforced", ..Contender::new(Peer::Plimsoll, shared) });
    let contenders = stage.chosen(contenders);
    let mut found: Vec<Found> = contenders.iter().map(|one| Found::new(one.name)).collect();
    let load = Load {
        seconds: stage.measured(SECONDS),
        streams: streams(),
        patience: Duration::from_secs(5),
        ..Load::default()
    };
    stage.turns(
        &contenders,
        || {
            let database = Database::start(stage.workshop, MAX_CONNECTIONS)?;
            Ok(Behind { env: database.env(), what: Some(Box::new(database)) })
        },
        |place, serving, _| {
            let turn = measure(serving, &load, 0.0)?;
            found::add(&mut found, place, turn);
            Ok(())
        },
    )?;
    let failed = Headline::of("failed requests (too many clients)", "%", Better::Lower, &found, |one| {
        Some(one.failed() as f64 * 100.0 / one.requests() as f64)
    });
    let mut table = Table::new(&["", "requests", "failed", "how", "p50", "p99", "p99.9", "worst"]);
    for one in &found {
        let counts = [one.requests().to_string(), one.failed().to_string(), one.how_failed()];
        let row = [vec![one.name.to_owned()], counts.to_vec(), one.quantiles(|_| true)].concat();
        table.row(row);
    }
    Ok(Outcome {
        headlines: vec![
            Headline { goal: Some(Goal { text: "none failed".to_owned(), limit: 0.0 }), ..failed },
            Headline::of("p99 of the others", "ms", Better::Lower, &found, |one| {
                Some(one.latency(|_| true)?.p99)
            }),
        ],
        tables: vec![("Eight pools of 20 against 100 connections".to_owned(), table)],
        method: vec![format!(
            "`GET /orders/1?ms={QUERY_MS}` of `examples/shop`, {PER_SECOND} times a second, {WORKERS} workers with pools of {POOL}, PostgreSQL with \
             `max_connections = {MAX_CONNECTIONS}` (it keeps three), which is fresh in each turn. {} s in each of {} rounds, which count from the first \
             request, when no pool has a connection yet. `Plimsoll` observes; `enforced` is `pools.mode = \"enforce\"`.",
            load.seconds, stage.rounds
        )],
        raw: figures_of(&found, &load, |_| Value::Null),
    })
}

fn streams() -> Vec<Stream> {
    let target = format!("/orders/1?ms={QUERY_MS}");
    vec![Stream { name: "orders", per_second: PER_SECOND, method: "GET", target, fresh_percent: 0 }]
}
