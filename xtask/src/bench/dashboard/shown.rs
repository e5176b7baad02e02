//! How soon what goes wrong is told by the doctor, the page, `top` and the metrics: `examples/shop` with each of its faults
//! that clients bring about, calm at first.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::super::client::{self, Address, Connection};
use super::super::pools::place::{Database, shop};
use super::super::running::Running;
use super::super::stats::max;
use super::super::wait;
use super::super::workshop::Workshop;
use super::browser::Browser;
use super::pty::Pty;
use super::{IS_LIVE, SCREEN, wait_for};

const SHOWN_WITHIN: Duration = Duration::from_secs(15);
/// Longer than the last seconds that the doctor judges, and than what it takes for too little.
const CALM: Duration = Duration::from_secs(20);
/// Each client takes a breath between two requests: the shop is busy, and not overrun.
const BREATH: Duration = Duration::from_millis(15);
/// What hurts nobody, whatever is wrong.
const HARMLESS: &str = "/orders/1?ms=20";
/// What the shop is asked for, by as many clients.
const ASKED: [&str; 4] = ["/products/1", "/orders/1?ms=20", "/orders/2?ms=20", "/orders"];

/// What goes wrong, and by what it is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    /// As the shop knows it.
    shop: &'static str,
    /// Part of what the finding says, which stays the same.
    says: &'static str,
    /// What is counted rises by so much.
    metric: (&'static str, f64),
}

const FAULTS: [Fault; 5] = [
    Fault {
        name: "a stall",
        shop: "event_loop",
        says: "blocks the event loop in pbkdf2Sync",
        metric: ("plimsoll_event_loop_stalls_total", 1.0),
    },
    Fault {
        name: "a queue for connections",
        shop: "pools",
        says: "requests wait for a connection of pg@",
        metric: ("db_client_connection_wait_time_seconds_sum", 0.1),
    },
    Fault {
        name: "a fan-out",
        shop: "downstream",
        says: "GET /orders makes 50 calls to http",
        metric: ("plimsoll_downstream_fan_out_max", 20.0),
    },
    Fault {
        name: "a log flood",
        shop: "logs",
        says: "with its log, in console.log",
        metric: ("plimsoll_logs_lines_total", 10_000.0),
    },
    Fault {
        name: "collections",
        shop: "memory",
        says: "goes into collecting garbage",
        metric: ("v8js_gc_duration_seconds_sum", 0.1),
    },
];

/// How long after the first of the requests that bring it about each told it, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) doctor: f64,
    pub(super) page: f64,
    pub(super) top: f64,
    pub(super) metrics: f64,
}

impl Told {
    pub(super) fn all(self) -> [f64; 4] {
        [self.doctor, self.page, self.top, self.metrics]
    }
}

/// All rounds of one fault.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) fault: &'static Fault,
    pub(super) rounds: Vec<Told>,
}

impl Shown {
    /// The worst of each place.
    pub(super) fn worst(&self) -> [Option<f64>; 4] {
        [0, 1, 2, 3].map(|place| {
            let values: Vec<f64> =
                self.rounds.iter().filter_map(|told| told.all().get(place).copied()).collect();
            max(&values)
        })
    }

    pub(super) fn raw(&self) -> Value {
        json!({ "fault": self.fault.name, "ms": self.rounds.iter().map(|told| told.all()).collect::<Vec<_>>() })
    }
}

pub(super) fn measure(
    workshop: &Workshop,
    program: &Path,
    browser: &mut Browser,
    rounds: usize,
) -> anyhow::Result<Vec<Shown>> {
    let database = Database::start(workshop, 50)?;
    let stock = stock(workshop)?;
    let mut all: Vec<Shown> = FAULTS.iter().map(|fault| Shown { fault, rounds: Vec::new() }).collect();
    for round in 1..=rounds {
        for shown in &mut all {
            let faulty = Faulty::start(workshop, program, &database, &stock, shown.fault)?;
            let told = faulty.induce(program, browser, shown.fault)?;
            eprintln!("round {round}  {}  {told:?}", shown.fault.name);
            shown.rounds.push(told);
        }
    }
    Ok(all)
}

/// The service that the shop calls.
fn stock(workshop: &Workshop) -> anyhow::Result<Running> {
    Running::start(workshop, &workshop.node, None, "stock", |command, _| {
        command.arg(shop().join("stock.js")).env("STOCK_MS", "5");
    })?
    .when_it_answers_at("/stock/1")
}

/// The shop with one fault.
struct Faulty {
    name: String,
    shop: Running,
}

impl Faulty {
    fn start(
        workshop: &Workshop,
        program: &Path,
        database: &Database,
        stock: &Running,
        fault: &Fault,
    ) -> anyhow::Result<Self> {
        let name = format!("bench-shown-{}", fault.shop);
        let shop = Running::start(workshop, program, None, &name, |command, admin| {
            command.args(["run", "--name", &name, "--workers", "2", "--admin", admin, "--"]);
            command.arg(&workshop.node).arg("server.js").current_dir(shop());
            command.env("SHOP_FAULT", fault.shop).envs(database.env());
            command.env("STOCK_URL", format!("http://127.0.0.1:{}", stock.port));
        })?
        .when_it_answers_at(HARMLESS)?;
        Ok(Self { name, shop })
    }

    /// Calm for a while, then all clients: how soon each tells it.
    fn induce(&self, program: &Path, browser: &mut Browser, fault: &Fault) -> anyhow::Result<Told> {
        browser.open("about:blank", SCREEN)?;
        browser.open(&format!("http://127.0.0.1:{}/", self.shop.admin()), SCREEN)?;
        wait_for(browser, IS_LIVE)?;
        let mut top = Pty::start(
            Command::new(program)
                .args(["top", "--name", &self.name])
                .env("TERM", "xterm")
                .env_remove("NO_COLOR"),
            160,
            100,
        )?;
        wait::until(wait::START_WITHIN, "top", || (!top.screen().concat().trim().is_empty()).then_some(()))?;
        // What is found.
        top.press("8")?;
        let mut client = Connection::open(&Address::port(self.shop.port))?;
        let begun = Instant::now();
        while begun.elapsed() < CALM {
            client.get(HARMLESS)?;
            wait::pause(Duration::from_millis(50));
        }
        let before = self.metric(fault)?;
        if self.doctor_says(program, fault)? {
            bail!("{} is told before it was", fault.name);
        }
        let ended = AtomicBool::new(false);
        let start = Instant::now();
        let tell = |what: &'static str, is_told: &mut dyn FnMut() -> anyhow::Result<bool>| {
            while start.elapsed() < SHOWN_WITHIN {
                if is_told()? {
                    return Ok(start.elapsed().as_secs_f64() * 1000.0);
                }
                wait::pause(Duration::from_millis(10));
            }
            bail!("{what} never told {}", fault.name)
        };
        thread::scope(|scope| {
            let _end = End(&ended);
            for path in ASKED {
                scope.spawn(|| self.ask(path, &ended));
            }
            let doctor = scope.spawn(|| tell("the doctor", &mut || self.doctor_says(program, fault)));
            let metrics =
                scope.spawn(|| tell("/metrics", &mut || Ok(self.metric(fault)? - before >= fault.metric.1)));
            let on_top =
                scope.spawn(|| tell("top", &mut || Ok(flat(&top.screen().join(" ")).contains(fault.says))));
            let text = "document.querySelector('#findings').textContent";
            let page = tell("the page", &mut || {
                Ok(browser.ask(text)?.as_str().is_some_and(|text| text.contains(fault.says)))
            })?;
            let joined = |one: thread::ScopedJoinHandle<'_, anyhow::Result<f64>>| {
                one.join().unwrap_or_else(|_| bail!("somebody who looked has panicked"))
            };
            Ok(Told { doctor: joined(doctor)?, page, top: joined(on_top)?, metrics: joined(metrics)? })
        })
    }

    fn ask(&self, path: &str, ended: &AtomicBool) {
        let Ok(mut client) = Connection::open(&Address::port(self.shop.port)) else { return };
        while !ended.load(Ordering::Relaxed) && client.get(path).is_ok() {
            wait::pause(BREATH);
        }
    }

    fn doctor_says(&self, program: &Path, fault: &Fault) -> anyhow::Result<bool> {
        let said = Command::new(program).args(["doctor", "--name", &self.name, "--json"]).output()?;
        let said: Value = serde_json::from_slice(&said.stdout).context("the doctor said nothing")?;
        let all = said.get("findings").and_then(Value::as_array).context("the doctor says no findings")?;
        let what = |one: &Value| {
            one.get("what").and_then(Value::as_str).is_some_and(|what| what.contains(fault.says))
        };
        Ok(all.iter().any(what))
    }

    /// The sum of all its samples.
    fn metric(&self, fault: &Fault) -> anyhow::Result<f64> {
        let text = client::get(&Address::port(self.shop.admin()), "/metrics")?;
        let samples = text.lines().filter(|line| {
            line.strip_prefix(fault.metric.0).is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        Ok(samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}

/// As it stands there, whatever line it is broken at.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Also when something fails meanwhile.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
