//! `bench gateway`: Plimsoll, nginx and HAProxy in front of the same hello world, and Node by itself.

mod memory;
mod summary;
mod tables;

use serde_json::json;

use self::summary::{DISTURBED_CPUS, Summary};
use super::contender::{App, Contender};
use super::field::{Field, Only};
use super::load::{Head, Load};
use super::report::{Keep, Report, placement_sentence};
use super::round::{Course, Round};
use super::workshop::{Workshop, app};
use super::{Common, machine};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// Seconds of load per round and contender.
    #[arg(long)]
    seconds: Option<u32>,
    /// Kept-alive connections of the load.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// What each request of the load carries.
    #[arg(long, value_enum, default_value_t = Head::Small)]
    head: Head,
    /// Idle kept-alive connections.
    #[arg(long)]
    idle: Option<usize>,
    #[command(flatten)]
    only: Only,
}

/// How often a measurement is taken while the machine is not idle.
const ATTEMPTS: u32 = 4;

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let field = Field::gather(&options.common, &options.only)?;
    let wrk = machine::find_or_install("wrk", "wrk")?;
    let strace = machine::find_or_install("strace", "strace")?;
    let quick = options.common.quick;
    let load = Load {
        connections: options.connections,
        head: options.head,
        seconds: options.seconds.unwrap_or(if quick { 2 } else { 5 }),
    };
    let rounds = options.common.rounds(7);
    let attempts = if quick { 1 } else { ATTEMPTS };
    let hello = App { script: app("hello.js"), env: Vec::new() };
    let course = Course { workshop: &workshop, wrk: &wrk, app: &hello, load };

    let mut summaries: Vec<Summary> = field.contenders.iter().cloned().map(Summary::new).collect();
    for round in 0..rounds {
        take_turns(&course, &mut summaries, round, attempts)?;
    }
    let idle = options.idle.unwrap_or(if quick { 1_000 } else { 10_000 });
    for summary in &mut summaries {
        memory::look(&course, &strace, summary, idle)?;
    }
    let report = Report {
        verb: match options.head {
            Head::Small => "gateway",
            Head::Browser => "gateway-browser",
        },
        title: "The gateway beside its peers",
        command,
        machine: machine::facts(
            &[field.versions(&workshop), vec![("wrk", machine::version(&wrk, "-v"))]].concat(),
        ),
        method: method(&course, rounds),
        tables: tables::tables(&summaries, idle),
        notes: summary::notes(&summaries),
        raw: json!(summaries),
        keep: Keep::unless(quick || !options.only.only.is_empty()),
    };
    report.publish()
}

/// One round: everybody once. The order turns from round to round, and is reversed in every other one, so that
/// nobody always follows the same neighbour.
fn take_turns(
    course: &Course<'_>,
    summaries: &mut [Summary],
    round: usize,
    attempts: u32,
) -> anyhow::Result<()> {
    let count = summaries.len();
    for turn in 0..count {
        let turn = if round.is_multiple_of(2) { turn } else { count - 1 - turn };
        let Some(summary) = summaries.get_mut((turn + round) % count) else { continue };
        let found = undisturbed(course, &summary.contender, attempts)?;
        progress(round, summary, &found);
        summary.rounds.push(found);
    }
    Ok(())
}

/// Measures again while others of the machine are at work, and keeps the attempt with the least of that. The choice
/// looks at nothing but the disturbance, so it favours nobody.
fn undisturbed(course: &Course<'_>, contender: &Contender, attempts: u32) -> anyhow::Result<Round> {
    let mut best = course.run(contender)?;
    for attempt in 2..=attempts {
        if best.foreign_cpus <= DISTURBED_CPUS {
            break;
        }
        let again = course.run(contender)?;
        if again.foreign_cpus < best.foreign_cpus {
            best = again;
        }
        best.attempts = attempt;
    }
    Ok(best)
}

fn progress(round: usize, summary: &Summary, found: &Round) {
    eprintln!(
        "round {:>2}  {:<12} proxy {:>6.2} µs  worker {:>6.2} µs  {:>7.0} requests/s  p99 {:>7.0} µs  foreign {:.2} CPUs",
        round + 1,
        summary.contender.name,
        found.proxy_us.unwrap_or(0.0),
        found.worker_us,
        found.requests_per_second,
        found.p99_us,
        found.foreign_cpus,
    );
}

fn method(course: &Course<'_>, rounds: usize) -> Vec<String> {
    let Load { connections, seconds, head } = course.load;
    vec![
        format!(
            "{rounds} rounds; in each, every contender in turn (the order turns and is reversed) is started afresh, \
             warmed up for 2 s, and loaded for {seconds} s by `wrk` with 1 thread and {connections} kept-alive \
             connections in a closed loop, each request with `Host` and {} more header lines. A round in which a request fails is an error of the whole run.",
            head.lines().len()
        ),
        placement_sentence(course.workshop),
        format!(
            "A measurement during which others used more than {DISTURBED_CPUS} CPUs is taken again, {ATTEMPTS} times \
             at most; the one with the least disturbance counts, whatever it found."
        ),
        "Equal work: one worker or thread; kept-alive links to the same app over a Unix socket; the client's \
         address handed to the app; no access log; Plimsoll's metrics are on. Each round proves the second (the app \
         counts the links it accepted) and the third (the app is asked whom it sees). Configurations: `bench/peers/`."
            .to_owned(),
        "CPU per request: time on a CPU of all threads of the proxy's processes (`/proc/PID/task/*/schedstat`, \
         nanoseconds; user and kernel) divided by the requests that wrk completed; `stat` as a check is in the JSON. \
         The kernel does loopback TCP in the time of whoever sends, alike for all. Worker: the same of the Node process."
            .to_owned(),
        "Plain `node` listens on TCP and runs on the CPU that the proxies have: it has two CPUs as they do."
            .to_owned(),
        "Noise: nginx takes part twice under two names; no smaller difference than between these two means anything. \
         Ratios are to nginx: of the minima, and the median of the ratios within each round."
            .to_owned(),
        "Memory is that of all processes of the proxy (RSS; PSS counts shared pages once); plain `node`: the app. \
         Idle: each connection makes one request and stays; looked at 2 s after the last; 100 of them are then \
         asked again and must answer."
            .to_owned(),
        "System calls: `strace -c -f` on the proxy over exactly 2,000 requests of kept-alive connections. \
         Data calls are reads and writes of any kind, on any descriptor."
            .to_owned(),
    ]
}
