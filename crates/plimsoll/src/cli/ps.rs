//! `plimsoll ps`: what an instance is doing now.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use super::instance;
use super::output;
use crate::observe::status::{HeavyRoute, Status, Worker, WorkerMemory};
use crate::observe::units;

pub(super) fn command() -> Command {
    Command::new("ps")
        .visible_alias("status")
        .about("Shows the workers of a running instance")
        .arg(instance::name_argument())
        .arg(output::json_argument())
}

pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    instance::show(arguments, |status| status, render)
}

const TITLES: [&str; 11] =
    ["WORKER", "PID", "STATE", "LANE", "IN FLIGHT", "REQUESTS", "RESTARTS", "UPTIME", "MEMORY", "HEAP", "GC"];

fn render(status: &Status) -> String {
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(status.processes().map(row));
    let deaths: String = status.workers.iter().filter_map(death).collect();
    let heavy: String = status.heavy_routes.iter().map(heavy_route).collect();
    let growing: String = status.workers.iter().filter_map(growing).collect();
    format!("{}\n{}{deaths}{growing}{heavy}", headline(status), align(&rows))
}

fn death(worker: &Worker) -> Option<String> {
    let death = worker.last_death.as_ref()?;
    Some(format!("worker {}: the last one {} ({} ago)\n", worker.id, death.reason, units::age(death.age_s)))
}

fn growing(worker: &Worker) -> Option<String> {
    let growth = worker.memory.as_ref()?.growth.as_ref()?;
    Some(format!("worker {}: {growth}\n", worker.id))
}

fn heavy_route(route: &HeavyRoute) -> String {
    let what = if route.is_lifted {
        "every worker serves it, as its lane is too small or there is nothing else to do"
    } else {
        "it is a heavy route"
    };
    let mostly = route.place.as_ref().map_or_else(String::new, |place| format!(", mostly in {place}"));
    format!("{} keeps the loop for {:.0} ms{mostly}: {what}\n", route.route, route.cost_ms)
}

fn headline(status: &Status) -> String {
    let listeners: Vec<String> = status.listeners.iter().map(|each| each.address.to_string()).collect();
    let listens = if listeners.is_empty() { "not listening yet".into() } else { listeners.join(", ") };
    let (name, state, pid) = (&status.name, status.state.as_str(), status.pid);
    let reload = status.reload.map_or_else(String::new, |reload| {
        format!(", reloading: {} of {} renewed", reload.renewed, reload.of)
    });
    let admin = status.admin.map_or_else(String::new, |admin| format!(", admin {admin}"));
    format!("{name}: {state}, {listens} (pid {pid}{admin}){reload}")
}

fn row(worker: &Worker) -> [String; TITLES.len()] {
    let process = |text: String| if worker.pid.is_some() { text } else { "-".to_owned() };
    [
        worker.id.to_string(),
        process(worker.pid.unwrap_or_default().to_string()),
        worker.state.as_str().to_owned(),
        worker.lane.as_str().to_owned(),
        worker.in_flight.to_string(),
        worker.requests.to_string(),
        worker.restarts.to_string(),
        process(units::age(worker.uptime_s)),
        process(units::size(worker.rss_bytes)),
        worker.memory.as_ref().map_or_else(|| "-".to_owned(), heap),
        worker.memory.as_ref().map_or_else(|| "-".to_owned(), collecting),
    ]
}

/// `31 of 54 MB`
fn heap(memory: &WorkerMemory) -> String {
    let mb = |bytes: u64| bytes >> 20;
    match memory.heap_limit_bytes {
        0 => format!("{} MB", mb(memory.heap_used_bytes)),
        limit => format!("{} of {} MB", mb(memory.heap_used_bytes), mb(limit)),
    }
}

/// Share of the loop's time.
fn collecting(memory: &WorkerMemory) -> String {
    format!("{}.{}%", memory.gc_per_mille / 10, memory.gc_per_mille % 10)
}

/// Columns as wide as their widest cell, two spaces between; no spaces at the end of a line.
fn align<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::{State, WorkerState, fixture};

    #[test]
    fn the_table_has_a_line_per_worker_and_dashes_where_no_process_is() {
        let expected = "\
shop: ready, 0.0.0.0:3000 (pid 4242, admin 127.0.0.1:9797)
WORKER  PID   STATE    LANE  IN FLIGHT  REQUESTS  RESTARTS  UPTIME  MEMORY  HEAP         GC
0       4243  ready    main  3          1200      0         1h 2m   50 MB   31 of 54 MB  3.2%
1       -     stopped  main  0          7         2         -       -       -            -
worker 1: the last one was killed by SIGKILL after 3.2s; it was running 2 requests (1m 15s ago)
worker 0: its heap grows: major collections left 20 MB and, 270 s later, 44 MB
";
        assert_eq!(render(&fixture()), expected);
    }

    #[test]
    fn heavy_routes_stand_below_the_table() {
        let mut status = fixture();
        let route = HeavyRoute { route: "GET /report".into(), cost_ms: 181.6, ..HeavyRoute::default() };
        status.heavy_routes.push(route);
        assert!(render(&status).ends_with("GET /report keeps the loop for 182 ms: it is a heavy route\n"));
        status.heavy_routes[0].place = Some("render (a.js)".into());
        assert!(render(&status).contains("for 182 ms, mostly in render (a.js): it is a heavy route\n"));
        status.heavy_routes[0].is_lifted = true;
        assert!(render(&status).contains("mostly in render (a.js): every worker serves it, as"));
    }

    #[test]
    fn a_process_that_leaves_has_a_row_behind_its_place() {
        let mut status = fixture();
        let leaving = Worker { pid: Some(77), state: WorkerState::Draining, ..status.workers[0].clone() };
        status.leaving.push(leaving);
        let table = render(&status);
        let pids: Vec<_> = table.lines().skip(2).filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(pids[..3], ["4243", "77", "-"], "{table}");
        assert!(table.contains("0       77    draining  main"), "{table}");
    }

    #[test]
    fn json_reads_back_as_the_status_and_begins_with_the_name() {
        let json = output::json_line(&fixture());
        assert!(json.starts_with(r#"{"name":"shop","version":"0.1.0","pid":4242,"state":"ready","admin":"#));
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), fixture());
    }

    #[test]
    fn an_instance_that_starts_says_so() {
        let status = Status {
            state: State::Starting,
            listeners: Vec::new(),
            workers: Vec::new(),
            admin: None,
            ..fixture()
        };
        assert!(render(&status).starts_with("shop: starting, not listening yet (pid 4242)\nWORKER"));
    }
}
