//! `bench context`: what tracing costs the gateway and the worker, and beside it what OpenTelemetry's SDK for Node costs.

mod calls;
mod collector;

use std::path::Path;

use serde_json::json;

use self::calls::Calls;
pub(super) use self::collector::Collector;
use super::contender::{App, Contender, Kind};
use super::field::plimsoll;
use super::load::{Head, Load};
use super::only::Only;
use super::report::{Keep, Report, Table, Target, figure, placement_sentence, targets};
use super::sample::Sample;
use super::stats::max;
use super::variant::{Judged, Turns, Variant, take_turns};
use super::workshop::{Workshop, app};
use super::{Common, machine};
use crate::install::npm_packages_of;
use crate::nodes;
use crate::process::root;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    only: Only<Part>,
}

const CONNECTIONS: u32 = 32;
const SECONDS: u32 = 2;
/// Fresh processes of each variant, and of those with calls, which are told but not judged.
const ROUNDS: usize = 6;
const SPANS_ROUNDS: usize = 4;
/// Node versions of the client spans, and how much of its CPU a worker may need more there, in percent. On the first
/// nothing is followed: what is found is noise.
const SPANS: [(u32, f64); 2] = [(20, 1.0), (24, 3.0)];
/// Of what the SDK costs: three times less.
const OF_SDK: f64 = 0.33;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Gateway,
    Sdk,
    Spans,
}

/// What is told of all parts.
#[derive(Default)]
struct Found {
    targets: Vec<Target>,
    tables: Vec<(String, Table)>,
    raw: Vec<serde_json::Value>,
}

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    let wrk = machine::find_or_install("wrk", "wrk")?;
    let collector = Collector::start()?;
    let load = Load { connections: CONNECTIONS, seconds: SECONDS, head: Head::Small };
    let quick = options.common.quick;
    let (rounds, turns) = (options.common.rounds(ROUNDS), if quick { 1 } else { 2 });
    let with = Turns { workshop: &workshop, wrk: &wrk, load, rounds, turns };

    let mut found = Found::default();
    if options.only.wants(Part::Gateway) {
        gateway(&with, &program, &collector, &mut found)?;
    }
    if options.only.wants(Part::Sdk) {
        ["bench/apps", "bench/otel"].iter().try_for_each(|folder| npm_packages_of(&root().join(folder)))?;
        sdk(&with, &program, &collector, &mut found)?;
    }
    if options.only.wants(Part::Spans) {
        for (major, most) in SPANS {
            spans(options, &with, &program, &collector, (major, most), &mut found)?;
        }
    }
    let versions = [
        ("node", workshop.version_of_node()),
        ("plimsoll", machine::version(&program, "version")),
        ("wrk", machine::version(&wrk, "-v")),
    ];
    found.tables.insert(0, ("Figures to reach".to_owned(), targets(&found.targets)));
    Report {
        verb: "context",
        title: "What tracing costs",
        command,
        machine: machine::facts(&versions),
        method: method(&with),
        tables: found.tables,
        notes: vec![format!("Collectors were sent {:.1} MB.", collector.bytes() as f64 / 1e6)],
        raw: json!(found.raw),
        keep: Keep::unless(quick || !options.only.is_all()),
    }
    .publish()
}

fn traced(collector: &Collector, sampler: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let sampler = sampler.iter().map(|(name, value)| (*name, (*value).to_owned()));
    std::iter::once(("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone())).chain(sampler).collect()
}

const ONE_PERCENT: [(&str, &str); 2] =
    [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.01")];
const ALL: [(&str, &str); 1] = [("OTEL_TRACES_SAMPLER", "parentbased_always_on")];

/// The SDK has its variables to itself: the gateway does not trace.
const NOT_BY_US: (&str, &str) = ("PLIMSOLL_CONTEXT_TRACE", "off");

fn gateway(with: &Turns<'_>, program: &Path, collector: &Collector, found: &mut Found) -> anyhow::Result<()> {
    let hello = |env| App { script: app("hello.js"), env };
    let mut variants = [
        Variant::behind("off", program, hello(Vec::new())),
        Variant::behind("off again", program, hello(Vec::new())),
        Variant::behind("1 % and tail", program, hello(traced(collector, &ONE_PERCENT))),
        Variant::behind("all", program, hello(traced(collector, &ALL))),
    ];
    take_turns(with, &mut variants)?;
    let [off, _, some, _] = &variants;
    let of_minima = Some(()).and_then(|()| Some(some.least(proxy)? - off.least(proxy)?));
    let of_turns = some.more_than(off, proxy);
    // Of the two the one that speaks against us.
    let more = max(&[of_minima, of_turns.map(value)].into_iter().flatten().collect::<Vec<_>>());
    let target = Target::new("CPU of the gateway that 1 % and tail cost a request", 1.5, more, " µs");
    found.targets.push(target.sure_to(of_turns.map(either_way)));
    keep("The gateway, in front of a hello world", &variants, found);
    Ok(())
}

fn sdk(with: &Turns<'_>, program: &Path, collector: &Collector, found: &mut Found) -> anyhow::Result<()> {
    let express = |env| App { script: app("express.js"), env };
    let by_sdk = |sampler: &[(&'static str, &str)]| App {
        script: root().join("bench/otel/express.js"),
        env: traced(collector, &[sampler, &[NOT_BY_US]].concat()),
    };
    let mut variants = [
        Variant::behind("off", program, express(Vec::new())),
        Variant::behind("off again", program, express(Vec::new())),
        Variant::behind("Plimsoll, 1 % and tail", program, express(traced(collector, &ONE_PERCENT))),
        Variant::behind("SDK, 1 %", program, by_sdk(&ONE_PERCENT)),
        Variant::behind("Plimsoll, all", program, express(traced(collector, &ALL))),
        Variant::behind("SDK, all", program, by_sdk(&ALL)),
    ];
    take_turns(with, &mut variants)?;
    let [off, _, ours, theirs, ours_all, theirs_all] = &variants;
    for (share, ours, theirs) in [("1 %", ours, theirs), ("all", ours_all, theirs_all)] {
        let ratio = Some(()).and_then(|()| {
            let (ours, theirs) = (ours.more_than(off, both)?, theirs.more_than(off, both)?);
            Some(ours.at_least_the_noise() / theirs.value)
        });
        found.targets.push(Target::new(
            format!("CPU that tracing {share} costs, of that of the SDK"),
            OF_SDK,
            ratio,
            "x",
        ));
    }
    keep("Beside the SDK, in front of express", &variants, found);
    Ok(())
}

fn spans(
    options: &Options,
    with: &Turns<'_>,
    program: &Path,
    collector: &Collector,
    (major, most): (u32, f64),
    found: &mut Found,
) -> anyhow::Result<()> {
    let node = nodes::install(major)?;
    let mut workshop = Workshop::open_in(&node.binary.to_string_lossy(), &format!("node-{major}"))?;
    let service = Contender { name: "service", kind: Kind::Node };
    let service = service.start(&workshop, &App { script: app("hello.js"), env: Vec::new() })?;
    let url = ("SERVICE_URL", format!("http://127.0.0.1:{}/", service.port));
    let called = |env: Vec<(&'static str, String)>| App {
        script: app("called.js"),
        env: env.into_iter().chain([url.clone()]).collect(),
    };
    let mut variants = [
        Variant::behind("off", program, called(Vec::new())),
        Variant::behind("off again", program, called(Vec::new())),
        Variant::behind("off, clients send the two lines", program, called(Vec::new()))
            .asked_with(Head::Traced),
        Variant::behind("1 % and tail", program, called(traced(collector, &ONE_PERCENT))),
        Variant::behind("all", program, called(traced(collector, &ALL))),
    ];
    // What is looked for is a part of the worker's time that others on its CPU would blur.
    workshop.placement = workshop.placement.with_the_worker_alone();
    let (rounds, turns) = (options.common.rounds(SPANS_ROUNDS), with.turns * 2);
    let load = Load { seconds: 1, ..with.load };
    take_turns(&Turns { workshop: &workshop, load, rounds, turns, ..*with }, &mut variants)?;
    keep(&format!("An app that makes a call for each request, Node {major}"), &variants, found);
    let contender = Contender { name: "spans", kind: Kind::Plimsoll(program.to_owned()) };
    let with = Turns { workshop: &workshop, rounds: options.common.rounds(calls::ROUNDS), ..*with };
    let app = called(traced(collector, &ONE_PERCENT));
    let calls = Calls::measure(&with, &contender, &app, options.common.quick)?;
    let share = calls.share();
    let what = format!("CPU of the worker that client spans cost a request with a call, Node {major}");
    found.targets.push(Target::new(what, most, share.map(value), " %").sure_to(share.map(either_way)));
    let title = format!("What client spans cost the worker, Node {major}");
    found.raw.push(json!({ "part": title, "pairs": calls.raw() }));
    found.tables.push((title, calls.table()));
    Ok(())
}

fn value(judged: Judged) -> f64 {
    judged.value
}

fn either_way(judged: Judged) -> f64 {
    judged.either_way
}

fn proxy(sample: &Sample) -> Option<f64> {
    sample.proxy_us
}

fn worker(sample: &Sample) -> Option<f64> {
    Some(sample.worker_us)
}

fn both(sample: &Sample) -> Option<f64> {
    Some(sample.proxy_us? + sample.worker_us)
}

fn keep(title: &str, variants: &[Variant], found: &mut Found) {
    let mut table = Table::new(&[
        "",
        "gateway µs (min)",
        "more than off (median)",
        "worker µs (min)",
        "more than off",
        "sure to",
        "requests/s",
        "p99 µs",
    ]);
    let off = variants.first();
    for variant in variants {
        let more = |read: fn(&Sample) -> Option<f64>| off.and_then(|off| variant.more_than(off, read));
        table.row(vec![
            variant.name.to_owned(),
            figure(variant.least(proxy), "", 2),
            figure(more(proxy).map(value), "", 2),
            figure(variant.least(worker), "", 2),
            figure(more(worker).map(value), "", 2),
            figure(more(worker).map(|judged| judged.either_way), "", 2),
            figure(variant.median(|sample| Some(sample.requests_per_second)), "", 0),
            figure(variant.median(|sample| Some(sample.p99_us)), "", 0),
        ]);
    }
    found.tables.push((title.to_owned(), table));
    found.raw.push(json!({ "part": title, "variants": variants }));
}

fn method(with: &Turns<'_>) -> Vec<String> {
    let Turns { load, rounds, turns, .. } = with;
    vec![
        format!(
            "{rounds} rounds; in each, all variants are started afresh, warmed up for 2 s, and take {turns} turns in an order \
             that changes: {} s of load by `wrk` with {} kept-alive connections. With calls: {SPANS_ROUNDS} rounds, and twice as many turns of half the \
             length, the worker alone on its CPU, the service that it calls with the gateway. Differences are to `off`, within \
             each turn: of each round the median, and of those the median, which is sure to what the table says; `off again` tells the noise. CPU of all threads by `schedstat`, per request.",
            load.seconds, load.connections
        ),
        placement_sentence(with.workshop),
        "All run behind Plimsoll with one worker. `off`: no request id, no trace. `1 % and tail`: ids, `traceparent`, 1 % \
         recorded by chance and what is slow, fails or stalls as well, sent to a collector that takes everything. Where clients send \
         `x-request-id` and `traceparent` themselves, Node reads two lines more without any tracing."
            .to_owned(),
        format!(
            "Client spans: {} rounds; in each, a worker that is traced as `1 % and tail` is started afresh, and divides the time under load into slices of {} ms, \
             in turn as it is and past the functions that make spans, tell them and pass the trace on; each begins with a collection of the young objects. \
             CPU of all threads of the worker for each request; the median of the differences of two slices one after the other, of {} pairs a round, and of those the median.",
            calls::ROUNDS,
            calls::SLICE_MS,
            calls::ASKED * calls::PAIRS
        ),
        "The SDK is the one for Node with the instrumentations for http and express and the exporter for OTLP in protobuf, in batches \
         (`bench/otel`); the gateway does not trace then. Its spans are more than ours: one for each layer of express."
            .to_owned(),
    ]
}
