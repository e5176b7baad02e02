//! `bench downstream`: what it costs a worker that its calls are seen and limited, how much of a limit is used when all
//! demand is on one worker, and how soon a killed worker's part is back.
//!
//! The cost is a difference of CPU time between workers that take turns, slice by slice, with the same calls to the same
//! service: calls not looked at, looked at, and limited (by a limit that is never reached).

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::child::Child;
use super::client::{self, Address, Connection};
use super::field::plimsoll;
use super::report::{Keep, Report, Table, Target, figure, targets};
use super::stats::{median, min};
use super::workshop::{Workshop, app, free_port};
use super::{Common, machine, wait};
use crate::process::{command, root, run as run_to_the_end};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
}

const START_WITHIN: Duration = Duration::from_secs(20);
/// What the settings of a worker say of its calls.
const MODES: [(&str, &str); 4] =
    [("off", "off"), ("off, again", "off"), ("observe", "observe"), ("enforce", "enforce")];
const WAYS: [(&str, f64); 2] = [("http", 3.0), ("fetch", 5.0)];
const WARM_UP: usize = 4_000;
const SLICE: usize = 1_600;
const SLICES: usize = 8;
const LIMIT: f64 = 10.0;
/// How long the service takes; against it the way back and forth is short.
const SERVICE_MS: &str = "100";

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    install_example()?;
    let rounds = options.common.rounds(5);
    let mut costs = Costs::default();
    for round in 0..rounds {
        costs.one_round(&workshop, &program, &options.common)?;
        eprintln!("round {}: {}", round + 1, costs.line());
    }
    let used = utilisation(&workshop, &program, if options.common.quick { 200 } else { 1000 })?;
    let back: Vec<f64> =
        (0..rounds).map(|_| share_back(&workshop, &program)).collect::<anyhow::Result<_>>()?;
    let mut reached = costs.targets();
    reached.push(Target {
        what: "of a limit of 10 not used, all demand on one of four workers".to_owned(),
        limit: 5.0,
        found: Some(100.0 - used.0 * 100.0 / LIMIT),
        unit: " %",
    });
    reached.push(Target {
        what: "peak seen by the service".to_owned(),
        limit: LIMIT,
        found: Some(used.1),
        unit: "",
    });
    reached.push(Target {
        what: "from kill -9 of a worker that holds all until another has all".to_owned(),
        limit: 200.0,
        found: median(&back),
        unit: " ms",
    });
    Report {
        verb: "downstream",
        title: "Calls of the app to other services",
        command,
        machine: machine::facts(&[
            ("node", workshop.version_of_node()),
            ("plimsoll", machine::version(&program, "version")),
        ]),
        method: vec![
            format!(
                "Cost: {rounds} rounds; in each, four workers are started that differ in `downstream.default.mode` alone, \
                 and take turns, {SLICES} slices of {SLICE} calls each, sixteen at a time over kept-alive connections, to one \
                 hello-world service. CPU of the worker's process, user and system, per call; the least of all slices."
            ),
            format!(
                "Use: `examples/downstream` with four workers and `concurrency = 10`; one request makes all calls, to a \
                 service that takes {SERVICE_MS} ms and keeps the mean and the peak of what it has in flight. The time between an \
                 answer and the next call is counted as not used."
            ),
            "Kill: one of two workers has ten calls in flight, the other waits; from SIGKILL until the service has got ten \
             of the other's, asked every millisecond."
                .to_owned(),
        ],
        tables: vec![
            ("Figures to reach".to_owned(), targets(&reached)),
            ("CPU of a worker per call".to_owned(), costs.table()),
        ],
        notes: Vec::new(),
        raw: json!({ "us_per_call": costs.raw(), "mean_in_flight": used.0, "peak": used.1, "share_back_ms": back }),
        keep: Keep::unless(options.common.quick),
    }
    .publish()
}

/// CPU per call in microseconds, by way and mode, slice by slice.
#[derive(Default)]
struct Costs([[Vec<f64>; MODES.len()]; WAYS.len()]);

impl Costs {
    fn one_round(&mut self, workshop: &Workshop, program: &Path, common: &Common) -> anyhow::Result<()> {
        let service = Running::service(workshop)?;
        let url = format!("http://127.0.0.1:{}", service.port);
        let workers: Vec<Running> = MODES
            .iter()
            .map(|(name, mode)| Running::caller(workshop, program, name, mode, &url))
            .collect::<anyhow::Result<_>>()?;
        for (way, _) in WAYS {
            workers.iter().try_for_each(|worker| worker.calls(way, WARM_UP).map(drop))?;
        }
        for slice in 0..if common.quick { 2 } else { SLICES } {
            for (way, costs) in WAYS.iter().zip(&mut self.0) {
                let mut turns: Vec<_> = workers.iter().zip(costs.iter_mut()).collect();
                turns.rotate_left(slice % MODES.len());
                for (worker, costs) in turns {
                    costs.push(worker.calls(way.0, SLICE)?);
                }
            }
        }
        Ok(())
    }

    fn added(&self, way: usize, mode: usize) -> Option<f64> {
        let of = |mode: usize| min(self.0.get(way)?.get(mode)?);
        Some(of(mode)? - of(0)?)
    }

    fn targets(&self) -> Vec<Target> {
        let rows = WAYS.iter().enumerate().flat_map(|(way, (name, limit))| {
            [(2, "observed"), (3, "limited")].map(|(mode, how)| Target {
                what: format!("added to a call by {name} that is {how}"),
                limit: *limit,
                found: self.added(way, mode),
                unit: " µs",
            })
        });
        rows.collect()
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["", "µs min", "median", "more than off (min)"]);
        for (way, ((name, _), costs)) in WAYS.iter().zip(&self.0).enumerate() {
            for (mode, ((of, _), values)) in MODES.iter().zip(costs).enumerate() {
                let cells = [min(values), median(values), self.added(way, mode)];
                let cells = cells.map(|value| figure(value, "", 2));
                table.row([vec![format!("{name}, {of}")], cells.to_vec()].concat());
            }
        }
        table
    }

    fn line(&self) -> String {
        let added = |way, mode| figure(self.added(way, mode), " µs", 2);
        format!("http +{} +{}, fetch +{} +{}", added(0, 2), added(0, 3), added(1, 2), added(1, 3))
    }

    fn raw(&self) -> Value {
        let of = |costs: &[Vec<f64>; MODES.len()]| -> Value {
            MODES.iter().zip(costs).map(|((name, _), values)| ((*name).to_owned(), json!(values))).collect()
        };
        WAYS.iter().zip(&self.0).map(|((name, _), costs)| ((*name).to_owned(), of(costs))).collect()
    }
}

/// The mean of calls in flight at the service, and their peak.
fn utilisation(workshop: &Workshop, program: &Path, calls: usize) -> anyhow::Result<(f64, f64)> {
    let (stock, shop) = example(workshop, program, 4)?;
    shop.ask("/orders?ids=50&by=http")?;
    stock.ask("/reset")?;
    shop.ask(&format!("/orders?ids={calls}&by=http"))?;
    let figures = stock.figures()?;
    let number = |name: &str| figures.get(name).and_then(Value::as_f64).context("the service has no figures");
    Ok((number("mean")?, number("peak")?))
}

/// Milliseconds from the kill until the other worker has all ten.
fn share_back(workshop: &Workshop, program: &Path) -> anyhow::Result<f64> {
    let (stock, shop) = example(workshop, program, 2)?;
    let total = |stock: &Running| stock.figures().ok()?.get("total")?.as_u64();
    let mut doomed = Connection::open(&Address::port(shop.port))?;
    doomed.send(b"GET /orders?ids=10&by=http&path=/hold HTTP/1.1\r\nHost: bench\r\n\r\n")?;
    wait::until(START_WITHIN, "ten calls", || (total(&stock)? == 10).then_some(()))?;
    let mut heir = Connection::open(&Address::port(shop.port))?;
    heir.send(b"GET /orders?ids=10&by=http&path=/hold HTTP/1.1\r\nHost: bench\r\n\r\n")?;
    let waits = || shop.downstream()?.get("waiting")?.as_u64().filter(|waiting| *waiting == 10);
    wait::until(START_WITHIN, "the other worker's calls", waits)?;
    let begun = Instant::now();
    let pid = shop.busy_worker().context("no worker is busy")?;
    kill_process(pid, Signal::KILL)?;
    wait::until(START_WITHIN, "the share of the dead", || (total(&stock)? == 20).then_some(()))?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

/// The example's service, and its app behind Plimsoll.
fn example(workshop: &Workshop, program: &Path, workers: u16) -> anyhow::Result<(Running, Running)> {
    let folder = root().join("examples/downstream");
    let stock = Running::start(workshop, &workshop.node, "stock", |command, port, _| {
        command.arg(folder.join("stock.js")).env("PORT", port.to_string()).env("STOCK_MS", SERVICE_MS);
    })?;
    let settings = workshop.directory.join("limit.toml");
    let limit = "mode = 'enforce'\nconcurrency = 10\nqueue = 5000\nqueue_timeout = '5m'\n";
    std::fs::write(&settings, format!("[downstream.\"127.0.0.1:{}\"]\n{limit}", stock.port))?;
    let shop = Running::start(workshop, program, "shop", |command, port, admin| {
        let workers = workers.to_string();
        command
            .args(["run", "--name", "bench", "--workers", &workers, "--admin", admin, "--config"])
            .arg(&settings);
        command.arg("--").arg(&workshop.node).arg(folder.join("server.js")).current_dir(&folder);
        command.env("PORT", port.to_string()).env("STOCK_URL", format!("http://127.0.0.1:{}", stock.port));
    })?;
    let ready = || {
        let status = shop.status()?;
        let workers_ready =
            status.get("workers")?.as_array()?.iter().filter(|worker| worker["state"] == "ready").count();
        (workers_ready == usize::from(workers)).then_some(())
    };
    wait::until(START_WITHIN, "all workers", ready)?;
    Ok((stock, shop))
}

/// A process that listens.
struct Running {
    port: u16,
    admin: u16,
    _child: Child,
}

impl Running {
    fn start(
        workshop: &Workshop,
        program: &Path,
        name: &str,
        configure: impl FnOnce(&mut std::process::Command, u16, &str),
    ) -> anyhow::Result<Self> {
        let (port, admin) = (free_port()?, free_port()?);
        let child = Child::start(program, None, &workshop.log(name), |command| {
            command.current_dir(&workshop.directory).env_remove("NODE_OPTIONS");
            configure(command, port, &format!("127.0.0.1:{admin}"));
        })?;
        wait::until(START_WITHIN, name, || client::get(&Address::port(port), "/").ok())?;
        Ok(Self { port, admin, _child: child })
    }

    fn service(workshop: &Workshop) -> anyhow::Result<Self> {
        Self::start(workshop, &workshop.node, "service", |command, port, _| {
            command.arg(app("hello.js")).env("PORT", port.to_string());
        })
    }

    fn caller(
        workshop: &Workshop,
        program: &Path,
        name: &str,
        mode: &str,
        url: &str,
    ) -> anyhow::Result<Self> {
        Self::start(workshop, program, "caller", |command, port, admin| {
            let instance = format!("bench-{}", name.replace(", ", "-"));
            command.args(["run", "--name", &instance, "--admin", admin, "--"]).arg(&workshop.node);
            command.arg(app("caller.js")).env("PORT", port.to_string()).env("SERVICE_URL", url);
            command.env("PLIMSOLL_DOWNSTREAM_DEFAULT_MODE", mode);
            command.env("PLIMSOLL_DOWNSTREAM_DEFAULT_CONCURRENCY", "1000");
        })
    }

    /// CPU per call, in microseconds.
    fn calls(&self, way: &str, calls: usize) -> anyhow::Result<f64> {
        let answer = self.ask(&format!("/run?calls={calls}&by={way}"))?;
        answer.parse().with_context(|| format!("the caller said {answer}"))
    }

    fn ask(&self, path: &str) -> anyhow::Result<String> {
        client::get(&Address::port(self.port), path)
    }

    fn figures(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.ask("/figures")?)?)
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_str(&client::get(&Address::port(self.admin), "/status").ok()?).ok()
    }

    fn downstream(&self) -> Option<Value> {
        self.status()?.get("downstreams")?.as_array()?.first().cloned()
    }

    /// The first worker with a request: of two that have one each, either holds ten calls or waits for them. The one that
    /// was asked first was chosen when both were idle, and has answered its head.
    fn busy_worker(&self) -> Option<Pid> {
        let status = self.status()?;
        let pids = status.get("workers")?.as_array()?.iter().map(|worker| worker["pid"].as_i64());
        let of_stock = |pid: &i32| open_connections(*pid) >= 10;
        pids.flatten().filter_map(|pid| i32::try_from(pid).ok()).find(of_stock).and_then(Pid::from_raw)
    }
}

/// Sockets that a process has open.
fn open_connections(pid: i32) -> usize {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    let sockets = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    sockets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

fn install_example() -> anyhow::Result<()> {
    let folder = root().join("examples/downstream");
    if folder.join("node_modules/undici").is_dir() {
        return Ok(());
    }
    let mut npm = command("npm", &["ci", "--no-audit", "--no-fund", "--silent"]);
    npm.current_dir(folder);
    run_to_the_end(npm)
}
