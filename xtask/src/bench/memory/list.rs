//! The throughput of a route whose objects live as long as a request, on each version of Node.

use std::path::Path;

use serde_json::{Value, json};

use crate::bench::contender::{App, Contender, Kind};
use crate::bench::report::{Table, Target, figure};
use crate::bench::sample::Sample;
use crate::bench::variant::{Turns, Variant, take_turns};
use crate::bench::workshop::{Workshop, app};
use crate::nodes::{self, Node};

/// Node, and the least that Plimsoll's throughput may be of plain Node's.
const VERSIONS: [(u32, f64); 4] = [(20, 1.05), (22, 0.99), (24, 0.99), (26, 1.05)];

pub(super) struct Found {
    pub(super) table: Table,
    pub(super) targets: Vec<Target>,
    pub(super) raw: Value,
}

pub(super) fn run(with: &Turns<'_>, program: &Path) -> anyhow::Result<Found> {
    let mut table = Table::new(&[
        "",
        "CPU us/request",
        "of plain",
        "requests/s",
        "of plain",
        "sure to",
        "p50 ms",
        "p99 ms",
    ]);
    let (mut targets, mut raw) = (Vec::new(), Vec::new());
    for (major, least) in VERSIONS {
        let node = nodes::install(major)?;
        let mut workshop = Workshop::open_in(&node.binary.to_string_lossy(), &format!("node-{major}"))?;
        workshop.placement = with.workshop.placement;
        let mut variants = variants(program, &node);
        take_turns(&Turns { workshop: &workshop, ..*with }, &mut variants)?;
        let [plain, _, _, auto] = &variants;
        for variant in &variants {
            table.row(row(variant, plain, &node));
        }
        // A figure to reach is an upper limit: plain's throughput of ours.
        let ratio = plain.ratio_to(auto, rate);
        let what = format!("list: plain Node's requests/s to those with heap auto, Node {major}");
        let limit = (1.0 / least * 1000.0).round() / 1000.0;
        let target = Target::new(what, limit, ratio.map(|ratio| ratio.value), "x");
        targets.push(target.sure_to(ratio.map(|ratio| ratio.either_way)));
        raw.push(json!({ "node": node.version, "variants": variants }));
    }
    Ok(Found { table, targets, raw: json!(raw) })
}

fn variants(program: &Path, node: &Node) -> [Variant; 4] {
    let list = |env: &[(&'static str, &str)]| App {
        script: app("list.js"),
        env: env.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
    };
    let alone = |name, env: &[_]| Variant::of(Contender { name, kind: Kind::Node }, list(env));
    let behind = |name, heap| Variant::behind(name, program, list(&[("PLIMSOLL_MEMORY_HEAP", heap)]));
    [
        alone("plain", &[]),
        alone("with flags", &[("NODE_OPTIONS", flags(node))]),
        behind("plimsoll, heap off", "off"),
        behind("plimsoll, heap auto", "auto"),
    ]
}

fn row(variant: &Variant, plain: &Variant, node: &Node) -> Vec<String> {
    let median = |read: fn(&Sample) -> f64| variant.median(|sample| Some(read(sample)));
    let of_plain = variant.ratio_to(plain, rate);
    vec![
        format!("{}, {}", node.version, variant.name),
        figure(median(cpu), "", 1),
        figure(variant.ratio_to(plain, cpu).map(|ratio| ratio.value), "x", 3),
        figure(median(rate), "", 0),
        figure(of_plain.map(|ratio| ratio.value), "x", 3),
        figure(of_plain.map(|ratio| ratio.either_way * 100.0), " %", 1),
        figure(median(|sample| sample.p50_us / 1000.0), "", 1),
        figure(median(|sample| sample.p99_us / 1000.0), "", 1),
    ]
}

fn cpu(sample: &Sample) -> f64 {
    sample.worker_us
}

fn rate(sample: &Sample) -> f64 {
    sample.requests_per_second
}

/// As `concerns::memory::heap` has them where there is much memory.
fn flags(node: &Node) -> &'static str {
    let major = node.version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(..=22_u32) => "--max-old-space-size=4096 --max-semi-space-size=32",
        _ => "--max-old-space-size=4096",
    }
}
