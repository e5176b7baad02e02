//! One run: a culprit, its load, and what the instance says of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bench::child::Child;
use crate::bench::client::{self, Address};
use crate::bench::open::{self, Load, Outcome, Record, Stream};
use crate::bench::wait;
use crate::bench::workshop::{Workshop, app, free_port};
use crate::process::output;

/// Segment of the path and the function that keeps the loop, as `bench/apps/routes.js` has them.
const ROUTES: [(&str, &str); 20] = [
    ("orders", "listOrders"),
    ("basket", "priceBasket"),
    ("offers", "matchOffers"),
    ("charts", "drawChart"),
    ("reports", "readReport"),
    ("imports", "importRows"),
    ("exports", "exportRows"),
    ("caches", "cacheKey"),
    ("logins", "checkPassword"),
    ("tokens", "signToken"),
    ("words", "findWords"),
    ("names", "checkName"),
    ("tables", "sortRows"),
    ("ranks", "rankUsers"),
    ("groups", "groupRows"),
    ("maps", "mapRows"),
    ("months", "total"),
    ("pages", "fill"),
    ("trees", "walk"),
    ("searches", "score"),
];
const WORKERS: &str = "2";
const STALLS: f64 = 5.0;
const STALL_MS: u32 = 150;
/// One in a hundred requests of the culprit.
const SHARE: f64 = 0.01;
/// Requests of all routes a second where they are used evenly, and where the culprit has half of them.
const EVENLY_PER_SECOND: f64 = 2000.0;
const POPULAR_PER_SECOND: f64 = 600.0;
/// The watchdog's word needs a moment.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    culprit: usize,
    pub(super) is_popular: bool,
    pub(super) is_after_await: bool,
}

/// What stood first.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    route_is_right: bool,
    function_is_right: bool,
    pub(super) named: Named,
    first: Option<Value>,
    /// Stalls that were made, and requests that failed.
    made: usize,
    failed: BTreeMap<String, usize>,
}

/// How the route is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Surely,
    Probably,
    Not,
}

pub(super) fn method(runs: usize, side_by_side: usize) -> Vec<String> {
    vec![
        format!(
            "{runs} runs on each Node.js, {side_by_side} at a time, each with an instance of its own with {WORKERS} workers \
             and the default settings. `bench/apps/routes.js`: 20 routes that wait 2 to 10 ms and answer; one of a hundred \
             requests of the culprit's keeps the loop for {STALL_MS} ms, in half of the runs before the wait and in half \
             after it."
        ),
        format!(
            "Open loop: {EVENLY_PER_SECOND} requests a second spread evenly, or {POPULAR_PER_SECOND} a second of which the \
             culprit has half. The load ends with the fifth stall; then `plimsoll incidents --json` is asked. A run is \
             right when the first group has the culprit's route and the function in which it blocks. Each route blocks in \
             another way: JavaScript, JSON, pbkdf2, regular expressions, sort and other callbacks, a function called by \
             the route's."
        ),
    ]
}

impl Case {
    pub(super) fn new(number: usize) -> Self {
        Self {
            culprit: (number * 3 + number / ROUTES.len()) % ROUTES.len(),
            is_popular: number % 2 == 1,
            is_after_await: number / 2 % 2 == 1,
        }
    }

    fn names(self) -> (&'static str, &'static str) {
        ROUTES.get(self.culprit).copied().unwrap_or_default()
    }

    pub(super) fn run(self, workshop: &Workshop, program: &Path) -> anyhow::Result<Verdict> {
        let port = free_port()?;
        let name = format!("accuracy-{port}");
        let admin = format!("127.0.0.1:{}", free_port()?);
        let _instance = Child::start(program, None, &workshop.log(&name), |command| {
            command.args(["run", "--workers", WORKERS, "--name", &name, "--admin", &admin, "--"]);
            command.arg(&workshop.node).arg(app("routes.js"));
            command.env("PORT", port.to_string()).env_remove("NODE_OPTIONS");
        })?;
        let address = Address::port(port);
        wait::until(wait::START_WITHIN, "the first answer", || client::get(&address, "/orders/1").ok())?;
        let load = self.load(port);
        let stalls = load.streams.len() - 1;
        let (records, ()) = load.run(|_| Ok(()))?;
        let made = |record: &&Record| record.stream == stalls && record.outcome == Outcome::Ok;
        let made = records.iter().filter(made).count();
        let mut groups = Vec::new();
        let _told = wait::until(TOLD_WITHIN, "all stalls are told", || {
            groups = incidents(program, &name).ok()?;
            let count: u64 = groups.iter().filter_map(|group| group.get("count")?.as_u64()).sum();
            (count >= STALLS as u64).then_some(())
        });
        // With less than five it is judged all the same; what failed is told.
        let failed = open::failures(&records);
        Ok(Verdict { made, failed, ..self.judge(groups.first()) })
    }

    fn load(self, port: u16) -> Load {
        let all = if self.is_popular { POPULAR_PER_SECOND } else { EVENLY_PER_SECOND };
        let of_culprit = if self.is_popular { all / 2.0 } else { all / ROUTES.len() as f64 };
        let of_other = (all - of_culprit) / (ROUTES.len() - 1) as f64;
        let stream = |per_second, target| Stream {
            name: "request",
            per_second,
            method: "GET",
            target,
            fresh_percent: 0,
        };
        let plain = ROUTES.iter().enumerate().map(|(index, (segment, _))| {
            let per_second = if index == self.culprit { of_culprit * (1.0 - SHARE) } else { of_other };
            stream(per_second, format!("/{segment}/{{id}}"))
        });
        let when = if self.is_after_await { "after" } else { "before" };
        let target = format!("/{}/{{id}}?work={STALL_MS}&when={when}", self.names().0);
        let streams = plain.chain([stream(of_culprit * SHARE, target)]).collect();
        Load { port, seconds: STALLS / (of_culprit * SHARE), streams, ..Load::default() }
    }

    fn judge(self, first: Option<&Value>) -> Verdict {
        let (segment, function) = self.names();
        let text = |key| first.and_then(|first: &Value| first.get(key)?.as_str()).unwrap_or_default();
        let is_guess = first.and_then(|first| first.get("route_is_guess")?.as_bool()).unwrap_or_default();
        let named = match text("route") {
            "" => Named::Not,
            _ if is_guess => Named::Probably,
            _ => Named::Surely,
        };
        Verdict {
            route_is_right: text("route") == format!("GET /{segment}/:id"),
            function_is_right: text("place").contains(&format!("{function} (")),
            named,
            first: first.cloned(),
            made: 0,
            failed: BTreeMap::new(),
        }
    }
}

fn incidents(program: &Path, name: &str) -> anyhow::Result<Vec<Value>> {
    let mut command = Command::new(program);
    command.args(["incidents", "--json", "--name", name]);
    let told: Value = serde_json::from_str(&output(command)?)?;
    told.get("groups").and_then(Value::as_array).cloned().context("no groups of incidents")
}

impl Verdict {
    pub(super) fn is_right(&self) -> bool {
        self.route_is_right && self.function_is_right
    }

    /// Requests that were refused, or failed in another way.
    pub(super) fn failed(&self) -> usize {
        self.failed.values().sum()
    }

    pub(super) fn raw(&self, case: &Case) -> Value {
        json!({
            "case": case.to_string(), "right": self.is_right(), "stalls": self.made, "failed": self.failed, "named": format!("{:?}", self.named), "first": self.first,
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segment, function) = self.names();
        let used = if self.is_popular { "the most popular route" } else { "one of twenty" };
        let when = if self.is_after_await { "after" } else { "before" };
        write!(formatter, "/{segment}/:id in {function}, {used}, {when} the await")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.failed.is_empty() {
            write!(formatter, "{} stalls, failed: {:?}; ", self.made, self.failed)?;
        }
        if self.is_right() {
            return formatter.write_str(if self.named == Named::Probably {
                "right (probably)"
            } else {
                "right"
            });
        }
        let first = self.first.as_ref();
        let text = |key| first.and_then(|first: &Value| first.get(key)?.as_str()).unwrap_or("none");
        write!(formatter, "first stood {} in {}", text("route"), text("place"))
    }
}
