//! `bench claim`: what the atomic steps of a claim cost, in the gateway and in the worker.
//!
//! Loops over the very functions that both use; what a request costs besides (its private header, the order in which
//! requests were sent) is in `bench gateway` and `bench agent`.

use std::hint::black_box;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use anyhow::Context as _;
use plimsoll_wire::page;
use serde_json::json;

use super::report::{Keep, Report, Table, Target, figure, targets};
use super::stats::{max, median, min};
use super::workshop::{Workshop, app};
use super::{Common, machine};
use crate::process::{command as program, output, root};

const ROUNDS: usize = 9;
const CLAIMS: u32 = 5_000_000;
const GATEWAY_NS_MAX: f64 = 500.0;
const WORKER_NS_MAX: f64 = 1000.0;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let gateway: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    let worker = worker(&workshop)?;
    let mut table = Table::new(&["ns a request", "min", "median", "max"]);
    for (name, times) in [("gateway: send, two looks, free", &gateway), ("worker: claim", &worker)] {
        let cells = [min(times), median(times), max(times)].map(|value| figure(value, "", 1));
        table.row([vec![name.to_owned()], cells.to_vec()].concat());
    }
    let target = |what: &str, limit, found| Target::new(what, limit, found, " ns");
    Report {
        verb: "claim",
        title: "What a claim costs",
        command,
        machine: machine::facts(&[("node", workshop.version_of_node())]),
        method: vec![format!(
            "{ROUNDS} rounds of {CLAIMS} claims in a loop over 64 slots, one thread, the words in memory of its own. The \
             worker's loop includes making the next slot ready."
        )],
        tables: vec![
            (
                "Figures to reach".to_owned(),
                targets(&[
                    target("in the gateway, median", GATEWAY_NS_MAX, median(&gateway)),
                    target("in the worker, median", WORKER_NS_MAX, median(&worker)),
                ]),
            ),
            ("Time of the atomic steps".to_owned(), table),
        ],
        notes: Vec::new(),
        raw: json!({ "gateway_ns": gateway, "worker_ns": worker }),
        keep: Keep::unless(options.common.quick),
    }
    .publish()
}

/// Nanoseconds for what the gateway does with one slot during one request.
fn round() -> f64 {
    let slots: Vec<AtomicU32> = (0..64).map(|_| AtomicU32::new(0)).collect();
    let begun = Instant::now();
    for _ in 0..CLAIMS / 64 {
        for slot in &slots {
            let ticket = page::send(slot);
            black_box(page::has_started(slot, ticket));
            // Stands in for the agent, which is measured by itself.
            black_box(page::was_claimed(slot, ticket));
            page::free(slot, ticket);
        }
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(CLAIMS / 64 * 64)
}

fn worker(workshop: &Workshop) -> anyhow::Result<Vec<f64>> {
    let agent = root().join("crates/plimsoll-agent/js");
    let mut node = program(&workshop.node, &[]);
    node.arg(app("claim.js")).arg(agent.join("page.js")).arg(agent.join("wire.js"));
    serde_json::from_str(&output(node)?).context("claim.js printed something else than its figures")
}
