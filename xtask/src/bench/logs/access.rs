//! What the access log costs the gateway per request.

use serde_json::json;

use super::stage::{Asked, How, Stage};
use super::{Bench, Findings};
use crate::bench::load::{Head, Load};
use crate::bench::report::{Table, Target, figure};
use crate::bench::{machine, procfs, stats};

/// The first two are alike: what differs between them is noise.
const MODES: [(&str, &str); 5] = [
    ("off", "access = \"off\""),
    ("off again", "access = \"off\""),
    ("errors", "access = \"errors\""),
    ("sample", "access = \"sample\""),
    ("all", "access = \"all\""),
];
const WARM_UP_SECONDS: u32 = 2;

pub(super) fn run(bench: &Bench<'_>) -> anyhow::Result<Findings> {
    let wrk = machine::find_or_install("wrk", "wrk")?;
    let load = |seconds| Load { connections: 64, seconds, head: Head::Browser };
    let turns = if bench.is_quick { 2 } else { 16 };
    let mut stages = Vec::new();
    for (name, setting) in MODES {
        let settings = format!(
            "[workers]\ncount = 1\n[gateway]\nthreads = 1\n[logs]\n{setting}\n[[logs.sink]]\ntype = \"stdout\"\nlevel = \"off\"\n\
             [[logs.sink]]\ntype = \"file\"\npath = \"access.log\"\nkeep = 1\ncompress = \"off\"\n"
        );
        let stage = Stage::start(bench, How::Plimsoll, Asked { settings: &settings, ..Asked::default() })?;
        load(WARM_UP_SECONDS).run(bench.workshop, &wrk, stage.port, || Ok(()))?;
        stages.push(Mode { name, stage, gateway_us: Vec::new(), program_us: Vec::new() });
    }
    for turn in 0..turns {
        // Nobody always follows the same neighbour.
        stages.rotate_left(1);
        if turn % 2 == 1 {
            stages.reverse();
        }
        for mode in &mut stages {
            let pid = mode.stage.pid();
            let now = || anyhow::Ok((procfs::cpu_ns_of_threads(pid, "gateway-")?, procfs::cpu_ns(&[pid])?));
            let before = now()?;
            let outcome = load(1).run(bench.workshop, &wrk, mode.stage.port, || Ok(()))?;
            let after = now()?;
            let each = |used: u64| used as f64 / 1000.0 / outcome.requests as f64;
            mode.gateway_us.push(each(after.0 - before.0));
            mode.program_us.push(each(after.1 - before.1));
        }
    }
    Ok(findings(&stages, turns))
}

struct Mode {
    name: &'static str,
    stage: Stage,
    /// CPU per request, of the gateway's thread and of all threads.
    gateway_us: Vec<f64>,
    program_us: Vec<f64>,
}

fn findings(stages: &[Mode], turns: usize) -> Findings {
    let least = |name: &str, pick: fn(&Mode) -> &Vec<f64>| {
        stages.iter().find(|mode| mode.name == name).and_then(|mode| stats::min(pick(mode)))
    };
    // Within each turn.
    let more = |name: &str, pick: fn(&Mode) -> &Vec<f64>| {
        let of = |name| stages.iter().find(|mode| mode.name == name).map(pick);
        let ratios: Vec<f64> = of(name)?.iter().zip(of("off")?).map(|(own, off)| own / off).collect();
        Some((stats::median(&ratios)? - 1.0) * 100.0)
    };
    let mut table = Table::new(&[
        "`--access-log`",
        "gateway thread, µs per request (min)",
        "more than off (median)",
        "whole program, µs per request (min)",
        "more than off (median)",
    ]);
    for (name, _) in MODES {
        table.row(vec![
            name.to_owned(),
            figure(least(name, |mode| &mode.gateway_us), "", 2),
            figure(more(name, |mode| &mode.gateway_us), " %", 1),
            figure(least(name, |mode| &mode.program_us), "", 2),
            figure(more(name, |mode| &mode.program_us), " %", 1),
        ]);
    }
    Findings {
        name: "access",
        title: "What the access log costs the gateway",
        targets: vec![
            Target::new(
                "access log of errors (the default): the gateway's CPU per request, more",
                3.0,
                more("errors", |mode| &mode.gateway_us),
                " %",
            ),
            Target::new(
                "access log of all requests: the gateway's CPU per request, more",
                10.0,
                more("all", |mode| &mode.gateway_us),
                " %",
            ),
        ],
        table,
        method: format!(
            "Access log: one worker, one gateway thread, 64 kept-alive connections in a closed loop by `wrk`, requests with the head \
             of a browser; lines go to a file. {turns} turns of 1 s each, all started at once and loaded in turn; CPU of the \
             gateway's thread and of all threads by `schedstat`, per request; the median of what they are of `off` in the same turn. `off again` is `off`: \
             no smaller difference means anything."
        ),
        notes: Vec::new(),
        raw: json!(
            stages
                .iter()
                .map(|mode| json!({ "mode": mode.name, "gateway_us": mode.gateway_us, "program_us": mode.program_us }))
                .collect::<Vec<_>>()
        ),
    }
}
