//! `bench start`: from the start of the process to the first answer of the app, plain and under Plimsoll.
//!
//! The two take turns, each with the same app on the same port number, on all CPUs, as at a user's. The clock
//! runs from before the fork to the end of the first complete answer; the asker looks every millisecond.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::json;

use super::child::Child;
use super::client::{self, Address};
use super::contender::App;
use super::field::plimsoll;
use super::report::{Keep, Report, Table, Target, figure, targets};
use super::stats::{max, median, min};
use super::workshop::{Workshop, app, free_port};
use super::{Common, machine, procfs, wait};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
}

const ADDED_MS_MAX: f64 = 50.0;

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    let hello = App { script: app("hello.js"), env: Vec::new() };
    let rounds = options.common.rounds(21);

    let (mut plain, mut under) = (Times::default(), Times::default());
    // One pair before those that count: program files come from the disk but once.
    for round in 0..=rounds {
        let mut pair = [(Way::Plain, &mut plain), (Way::Under(&program), &mut under)];
        if round.is_multiple_of(2) {
            pair.reverse();
        }
        for (way, times) in pair {
            let (wall, cpu) = way.start(&workshop, &hello)?;
            if round > 0 {
                times.wall_ms.push(wall);
                times.cpu_ms.push(cpu);
            }
        }
    }

    let added = Times {
        wall_ms: differences(&under.wall_ms, &plain.wall_ms),
        cpu_ms: differences(&under.cpu_ms, &plain.cpu_ms),
    };
    let mut table = Table::new(&["", "min ms", "median ms", "max ms", "CPU min ms", "CPU median ms"]);
    for (name, times) in [("node", &plain), ("plimsoll run -- node", &under), ("added, pair by pair", &added)]
    {
        let (wall, cpu) = (&times.wall_ms, &times.cpu_ms);
        let cells =
            [min(wall), median(wall), max(wall), min(cpu), median(cpu)].map(|value| figure(value, "", 1));
        table.row([vec![name.to_owned()], cells.to_vec()].concat());
    }
    let what = "added to the first answer, median".to_owned();
    let target = Target::new(what, ADDED_MS_MAX, median(&added.wall_ms), " ms");
    Report {
        verb: "start",
        title: "From start to first answer",
        command,
        machine: machine::facts(&[
            ("node", workshop.version_of_node()),
            ("plimsoll", machine::version(&program, "version")),
        ]),
        method: vec![format!(
            "{rounds} pairs, the first of each alternating, after one pair that does not count. From before the process is \
             started to the end of the first complete answer to `GET /`, asked every millisecond on a new \
             connection. Nobody is tied to a CPU. CPU: of all threads of all processes below, until then; it hardly \
             depends on what else the machine does."
        )],
        tables: vec![
            ("Figure to reach".to_owned(), targets(&[target])),
            ("Time to the first answer".to_owned(), table),
        ],
        notes: vec![format!(
            "From the least of the one to the least of the other: {}. On a machine that is not idle this is nearer to \
             what Plimsoll adds than the median of the pairs.",
            figure(min(&under.wall_ms).zip(min(&plain.wall_ms)).map(|(under, plain)| under - plain), " ms", 1)
        )],
        raw: json!({ "node": plain, "plimsoll": under }),
        keep: Keep::unless(options.common.quick),
    }
    .publish()
}

#[derive(Default, Serialize)]
struct Times {
    wall_ms: Vec<f64>,
    cpu_ms: Vec<f64>,
}

fn differences(under: &[f64], plain: &[f64]) -> Vec<f64> {
    under.iter().zip(plain).map(|(under, plain)| under - plain).collect()
}

enum Way<'a> {
    Plain,
    Under(&'a Path),
}

impl Way<'_> {
    /// Milliseconds until the first answer: by the clock, and of CPU.
    fn start(&self, workshop: &Workshop, app: &App) -> anyhow::Result<(f64, f64)> {
        let port = free_port()?;
        let admin = format!("127.0.0.1:{}", free_port()?);
        let program = match self {
            Self::Plain => &workshop.node,
            Self::Under(program) => *program,
        };
        let begun = Instant::now();
        let child = Child::start(program, None, &workshop.log("start"), |command| {
            if let Self::Under(_) = self {
                command.args(["run", "--workers", "1", "--name", "bench", "--admin", &admin, "--"]);
                command.arg(&workshop.node);
            }
            command.arg(&app.script).env("PORT", port.to_string()).env_remove("NODE_OPTIONS");
            command.current_dir(&workshop.directory);
        })?;
        wait::until(wait::START_WITHIN, "the first answer", || client::get(&Address::port(port), "/").ok())?;
        let wall = begun.elapsed().as_secs_f64() * 1000.0;
        let pids = [vec![child.pid()], procfs::descendants(child.pid())].concat();
        Ok((wall, procfs::cpu_ns(&pids)? as f64 / 1e6))
    }
}
