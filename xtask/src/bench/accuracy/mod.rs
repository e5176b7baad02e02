//! `bench accuracy`: is the culprit named?
//!
//! An app of twenty routes, one of which keeps the loop for 150 ms in one of a hundred of its requests. After five such
//! stalls, what `plimsoll incidents --json` lists first has to be this route and this function. Each run has an instance
//! and a load of its own, and another culprit; a few runs go on side by side.

mod case;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use self::case::{Case, Named, Verdict};
use super::field::plimsoll;
use super::report::{Keep, Report, Table, Target, targets};
use super::workshop::Workshop;
use super::{Common, machine};
use crate::nodes;

/// Runs that go on at the same time. With three, two CPUs are full, and much is refused.
const SIDE_BY_SIDE: usize = 2;
const WRONG_PERCENT_MAX: f64 = 5.0;
const RUNS: usize = 50;
const NODES: [u32; 3] = [20, 22, 24];

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// Major versions of Node.js.
    #[arg(long, value_delimiter = ',', default_values_t = NODES)]
    nodes: Vec<u32>,
}

/// All runs on one Node.js.
struct Found {
    version: String,
    verdicts: Vec<(Case, Verdict)>,
}

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let program = plimsoll(&options.common)?;
    let runs = options.common.rounds.unwrap_or(if options.common.quick { 8 } else { RUNS });
    let mut all = Vec::new();
    let mut programs = vec![("plimsoll", machine::version(&program, "version"))];
    for major in &options.nodes {
        let node = nodes::install(*major)?;
        let workshop = Workshop::open(&node.binary.to_string_lossy())?;
        let verdicts = on_node(&workshop, &program, runs)?;
        let found = Found { version: node.version, verdicts };
        println!("{}: {} of {runs} right", found.version, found.right(|_| true).0);
        all.push(found);
    }
    let versions: Vec<&str> = all.iter().map(|found| found.version.as_str()).collect();
    programs.push(("node", versions.join(", ")));
    let reached: Vec<Target> = all.iter().map(Found::target).collect();
    let mut table = Table::new(&[
        "",
        "runs",
        "right",
        "evenly used",
        "most popular",
        "before the await",
        "after the await",
        "route told as probable",
        "requests failed",
    ]);
    all.iter().for_each(|found| table.row(found.row()));
    Report {
        verb: "accuracy",
        title: "Is the route that blocks the loop named?",
        command,
        machine: machine::facts(&programs),
        method: case::method(runs, SIDE_BY_SIDE),
        tables: vec![
            ("Figures to reach".to_owned(), targets(&reached)),
            ("Runs in which the right route and function stood first after five stalls".to_owned(), table),
        ],
        notes: all.iter().flat_map(Found::mistakes).collect(),
        raw: all.iter().map(Found::raw).collect(),
        keep: Keep::unless(runs < RUNS || options.nodes.len() < NODES.len()),
    }
    .publish()
}

fn on_node(workshop: &Workshop, program: &Path, runs: usize) -> anyhow::Result<Vec<(Case, Verdict)>> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..SIDE_BY_SIDE)
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<()> {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= runs {
                            return Ok(());
                        }
                        let case = Case::new(number);
                        let verdict = case.run(workshop, program)?;
                        println!("run {number}: {case}: {verdict}");
                        found.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (case, verdict));
                    }
                })
            })
            .collect();
        hands.into_iter().try_for_each(|hand| hand.join().unwrap_or_else(|_| anyhow::bail!("a run panicked")))
    })?;
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
}

impl Found {
    /// How many runs of a kind were right, and how many there were.
    fn right(&self, is_meant: impl Fn(&Case) -> bool) -> (usize, usize) {
        let meant = || self.verdicts.iter().filter(|(case, _)| is_meant(case));
        (meant().filter(|(_, verdict)| verdict.is_right()).count(), meant().count())
    }

    fn target(&self) -> Target {
        let (right, runs) = self.right(|_| true);
        let wrong = (runs - right) as f64 * 100.0;
        Target::new(
            format!("Node.js {}: runs in which another stood first, or none", self.version),
            WRONG_PERCENT_MAX,
            (runs > 0).then(|| wrong / runs as f64),
            " %",
        )
    }

    fn row(&self) -> Vec<String> {
        let share = |is_meant: fn(&Case) -> bool| {
            let (right, runs) = self.right(is_meant);
            format!("{right}/{runs}")
        };
        let guesses = self.verdicts.iter().filter(|(_, verdict)| verdict.named == Named::Probably).count();
        vec![
            self.version.clone(),
            self.verdicts.len().to_string(),
            self.right(|_| true).0.to_string(),
            share(|case| !case.is_popular),
            share(|case| case.is_popular),
            share(|case| !case.is_after_await),
            share(|case| case.is_after_await),
            guesses.to_string(),
            self.verdicts.iter().map(|(_, verdict)| verdict.failed()).sum::<usize>().to_string(),
        ]
    }

    fn mistakes(&self) -> Vec<String> {
        let wrong = self.verdicts.iter().filter(|(_, verdict)| !verdict.is_right());
        wrong.map(|(case, verdict)| format!("{}: {case}: {verdict}", self.version)).collect()
    }

    fn raw(&self) -> Value {
        let runs: Vec<Value> = self.verdicts.iter().map(|(case, verdict)| verdict.raw(case)).collect();
        json!({ "node": self.version, "runs": runs })
    }
}
