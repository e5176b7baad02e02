//! The id of a request is passed on to all that it awaits: by async_hooks, by AsyncLocalStorage, or by the gateway.

use serde_json::{Value, json};

use super::found::Found;
use super::plan::{Behind, Contender, Stage};
use super::{Outcome, app, full};
use crate::bench::context::Collector;
use crate::bench::machine;
use crate::bench::peer::{Peer, Setup};
use crate::bench::report::{Better, Headline, Table, figure};

const SECONDS: u32 = 2;

pub(super) fn run(stage: &Stage<'_>) -> anyhow::Result<Outcome> {
    let collector = Collector::start()?;
    let contenders = stage.chosen(contenders(&collector));
    let mut found: Vec<Found> = contenders.iter().map(|one| Found::new(one.name)).collect();
    let wrk = machine::find_or_install("wrk", "wrk")?;
    stage.turns(
        &contenders,
        || Ok(Behind::default()),
        |place, serving, _| {
            full::warm(serving, stage.workshop, &wrk)?;
            let full = full::measure(serving, stage.workshop, &wrk, SECONDS)?;
            if let Some(one) = found.get_mut(place) {
                one.full.push(full);
            }
            Ok(())
        },
    )?;
    let mut table = Table::new(&["", "CPU per request", "most/s"]);
    for one in &found {
        let cells = [figure(one.full_us(), " µs", 1), figure(one.full_per_second(), "", 0)];
        table.row([vec![one.name.to_owned()], cells.to_vec()].concat());
    }
    let figures =
        |one: &Found| json!({ "name": one.name, "us_per_request": one.full_us(), "rounds": one.raw() });
    Ok(Outcome {
        headlines: vec![
            Headline::of("CPU per request that has a context", "µs", Better::Lower, &found, Found::full_us),
            Headline::of("requests/s that have a context", "/s", Better::Higher, &found, |one| {
                one.full_per_second().map(f64::round)
            }),
        ],
        tables: vec![("Who passes the context on".to_owned(), table)],
        method: vec![
            "`bench/scenarios/context/app.js`: an Express handler that awaits ten promises, two workers. `async_hooks` follows every promise in \
             the way of older tools, `AsyncLocalStorage` passes an object on. Plimsoll gives each request an id and a span in the gateway \
             (`context.request_id = \"on\"`, traces to a collector at 1 %), and the app does nothing. `no context` has none, and says what the others are to be compared with."
                .to_owned(),
            full::method(SECONDS),
        ],
        raw: found.iter().map(figures).collect::<Value>(),
    })
}

fn contenders(collector: &Collector) -> Vec<Contender> {
    let setup = |context: &str| Setup {
        script: app("context/app.js"),
        workers: 2,
        env: vec![("CONTEXT", context.to_owned())],
        ..Setup::default()
    };
    let cluster = |name, context| Contender { name, ..Contender::new(Peer::Cluster, setup(context)) };
    let mut ours = setup("off");
    ours.env.push(("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()));
    ours.settings = vec![("PLIMSOLL_CONTEXT_REQUEST_ID", "on")];
    vec![
        cluster("node:cluster, no context", "off"),
        cluster("async_hooks", "hooks"),
        cluster("AsyncLocalStorage", "storage"),
        Contender::new(Peer::Plimsoll, ours),
    ]
}
