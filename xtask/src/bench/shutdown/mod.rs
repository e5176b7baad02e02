//! `bench shutdown`: what is lost when the app is renewed, stopped, killed or frozen, for each way to run it.
//!
//! All serve the same app under the same load at a fixed rate, one after the other in one run. What counts is what
//! clients see, and what the app's ledger says of it afterwards: what ran twice, what was acknowledged and never ran.

mod replace;
pub(crate) mod scenario;

use serde_json::json;

use self::scenario::{Finding, Scenario};
use super::peer::{Peer, Programs};
use super::report::{Keep, Report, Table};
use super::workshop::Workshop;
use super::{Common, machine};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// Only these contenders, by the beginning of their names (nginx, node:cluster, pm2, watt, plimsoll).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How often the app is renewed in `reload`; the peers as often, or for half a minute.
    #[arg(long)]
    reloads: Option<usize>,
}

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let programs = Programs::gather(&options.common)?;
    let quick = options.common.quick;
    let wants = |name: &str| {
        let name = name.to_ascii_lowercase();
        options.only.is_empty() || options.only.iter().any(|only| name.starts_with(only))
    };
    let peers: Vec<Peer> = Peer::ALL.into_iter().filter(|peer| wants(peer.name())).collect();
    let all = [Scenario::Reload, Scenario::Stop, Scenario::Kill, Scenario::Freeze, Scenario::Replace];
    let chosen = all.into_iter().filter(|one| options.scenario.is_empty() || options.scenario.contains(one));

    let (mut tables, mut raw) = (Vec::new(), Vec::new());
    for scenario in chosen {
        if scenario == Scenario::Replace {
            let (table, figures) = replace::run(&workshop, &programs, options.common.rounds(21))?;
            tables.push((scenario.title(), table));
            raw.push(figures);
            continue;
        }
        let mut table = Table::new(scenario.header());
        for &peer in peers.iter().filter(|peer| scenario.applies_to(**peer)) {
            println!("{scenario:?}: {}", peer.name());
            let finding =
                scenario.run(peer, &workshop, &programs, &scenario::Size::of(quick, options.reloads))?;
            table.row(finding.row(peer.name(), scenario));
            raw.push(json!({ "scenario": format!("{scenario:?}"), "peer": peer.name(), "found": finding }));
        }
        tables.push((scenario.title(), table));
    }
    let whole = !quick && options.scenario.is_empty() && options.only.is_empty();
    Report {
        verb: "shutdown",
        title: "What is lost on reload, stop and crash",
        command,
        machine: machine::facts(&programs.versions(&workshop)),
        method: scenario::method(),
        tables,
        notes: Vec::new(),
        raw: json!(raw),
        keep: Keep::unless(!whole),
    }
    .publish()
}

impl Finding {
    fn row(&self, name: &str, scenario: Scenario) -> Vec<String> {
        let mut row = vec![name.to_owned()];
        row.extend(self.cells(scenario));
        row
    }
}
