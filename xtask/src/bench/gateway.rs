//! `bench gateway`: Plimsoll, nginx and HAProxy in front of the same hello world, and Node by itself.

mod memory;
mod summary;
mod tables;

use serde_json::json;

use self::summary::{DISTURBED_CPUS, Summary};
use super::contender::App;
use super::field::{Field, Proxy};
use super::load::{Head, Load};
use super::only::Only;
use super::report::{Keep, Report, placement_sentence};
use super::sample::{Course, Sample, Warm};
use super::workshop::{Workshop, app};
use super::{Common, machine};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// Seconds of load per turn and contender.
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
    only: Only<Proxy>,
}

/// Turns of a round: many short ones, so that some find the machine quiet.
const TURNS: usize = 8;

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let field = Field::gather(&options.common, &options.only)?;
    let wrk = machine::find_or_install("wrk", "wrk")?;
    let strace = machine::find_or_install("strace", "strace")?;
    let quick = options.common.quick;
    let load =
        Load { connections: options.connections, head: options.head, seconds: options.seconds.unwrap_or(2) };
    let rounds = options.common.rounds(4);
    let turns = if quick { 1 } else { TURNS };
    let hello = App { script: app("hello.js"), env: Vec::new() };
    let course = Course { workshop: &workshop, wrk: &wrk, app: &hello, load };

    let mut summaries: Vec<Summary> = field.contenders.iter().cloned().map(Summary::new).collect();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        take_turns(&course, &mut summaries, turns)?;
    }
    summaries.iter_mut().for_each(Summary::leave_out_disturbed);
    let idle = options.idle.unwrap_or(if quick { 1_000 } else { 10_000 });
    for summary in &mut summaries {
        memory::look(&course, &strace, summary, idle)?;
    }
    let report = Report {
        verb: match options.head {
            Head::Small => "gateway",
            Head::Browser => "gateway-browser",
            Head::Traced => "gateway-traced",
        },
        title: "The gateway beside its peers",
        command,
        machine: machine::facts(
            &[field.versions(&workshop), vec![("wrk", machine::version(&wrk, "-v"))]].concat(),
        ),
        method: method(&course, rounds, turns),
        tables: tables::tables(&summaries, idle),
        notes: summary::notes(&summaries),
        raw: json!(summaries),
        keep: Keep::unless(quick || !options.only.is_all()),
    };
    report.publish()
}

/// One round: all are started, then each is loaded in every turn while the others idle. The order turns, and is
/// reversed in every other turn, so that nobody always follows the same neighbour.
fn take_turns(course: &Course<'_>, summaries: &mut [Summary], turns: usize) -> anyhow::Result<()> {
    let warm = summaries.iter().map(|summary| course.warm_up(&summary.contender));
    let mut warm: Vec<Warm> = warm.collect::<anyhow::Result<_>>()?;
    for turn in 0..turns {
        for place in order(summaries.len(), turn) {
            let Some((summary, warm)) = summaries.get_mut(place).zip(warm.get_mut(place)) else { continue };
            let found = course.measure(&summary.contender, warm)?;
            progress(turn, summary.contender.name, &found);
            summary.samples.push(found);
        }
    }
    Ok(())
}

fn order(count: usize, turn: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).map(|place| (place + turn / 2) % count).collect();
    if !turn.is_multiple_of(2) {
        order.reverse();
    }
    order
}

fn progress(turn: usize, name: &str, found: &Sample) {
    eprintln!(
        "turn {:>2}  {name:<12} proxy {:>6.2} µs  worker {:>6.2} µs  {:>7.0} requests/s  p99 {:>7.0} µs  foreign {:.2} CPUs",
        turn + 1,
        found.proxy_us.unwrap_or(0.0),
        found.worker_us,
        found.requests_per_second,
        found.p99_us,
        found.foreign_cpus,
    );
}

fn method(course: &Course<'_>, rounds: usize, turns: usize) -> Vec<String> {
    let Load { connections, seconds, head } = course.load;
    vec![
        format!(
            "{rounds} rounds; in each, all contenders are started afresh and warmed up for 2 s, and then take {turns} \
             turns (the order turns and is reversed): {seconds} s of load by `wrk` with 1 thread and {connections} \
             kept-alive connections in a closed loop, each request with `Host` and {} more header lines, while the \
             others idle. A failed request is an error of the whole run.",
            head.lines().len()
        ),
        placement_sentence(course.workshop),
        format!(
            "A sample during which others used more than {DISTURBED_CPUS} CPUs is left out, whatever it found, as long \
             as a third of the contender's samples remains."
        ),
        "Equal work: one worker or thread; kept-alive links to the same app, over a Unix socket or, where the agent makes them, in shared memory; the client's \
         address handed to the app; no access log; Plimsoll's metrics are on. Each sample proves the second (the app \
         counts the links it accepted) and the third (the app is asked whom it sees). Configurations: `bench/peers/`."
            .to_owned(),
        "CPU per request: time on a CPU of all threads of the proxy's processes (`/proc/PID/task/*/schedstat`, \
         nanoseconds; user and kernel) divided by the requests that wrk completed; `stat` as a check is in the JSON. \
         The kernel does loopback TCP in the time of whoever sends, alike for all. Worker: the same of the Node process."
            .to_owned(),
        "Plain `node` listens on TCP and runs on the CPU that the proxies have: it has two CPUs as they do."
            .to_owned(),
        "Noise: nginx takes part twice under two names; no smaller difference than between these two means anything. \
         Ratios are to nginx: of the minima, and the median of the ratios within each turn."
            .to_owned(),
        "Memory is that of all processes of the proxy (RSS; PSS, which counts shared pages once, only where the \
         contender is alone); plain `node`: the app. Idle: each connection makes one request and stays; looked at 2 s after the last; 100 of them are then \
         asked again and must answer."
            .to_owned(),
        "System calls: `strace -c` on the proxy (of Plimsoll: on its gateway threads, not on those that read `/proc` once a \
         second) over exactly 2,000 requests of kept-alive connections. Data calls are reads and writes of any kind, on any descriptor."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_comes_once_in_a_turn_and_first_as_often_as_others() {
        let turns: Vec<Vec<usize>> = (0..10).map(|turn| order(5, turn)).collect();
        for turn in &turns {
            let mut sorted = turn.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        let mut first: Vec<usize> = turns.iter().filter_map(|turn| turn.first().copied()).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    }
}
