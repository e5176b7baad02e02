//! What each view lists.

use super::cells::{Cell, NONE, Tone, short};
use super::model::Model;
use crate::concerns::event_loop::incident::End;
use crate::concerns::event_loop::incident::book::Group;
use crate::observe::status::pools::Pool;
use crate::observe::status::{Downstream, Incident, Route, Status, Worker, WorkerState};
use crate::observe::units;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct List {
    pub(super) title: &'static str,
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Vec<Cell>>,
    /// By which column it is sorted at first, the greatest first; `None`: as the instance says it.
    pub(super) order: Option<usize>,
    /// Where there is no row.
    pub(super) empty: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) is_number: bool,
}

const fn text(title: &'static str) -> Column {
    Column { title, is_number: false }
}

const fn number(title: &'static str) -> Column {
    Column { title, is_number: true }
}

const WORKERS: &[Column] = &[
    number("#"),
    text("STATE"),
    number("PID"),
    number("LOOP"),
    number("LATE"),
    number("STALLS"),
    number("FLIGHT"),
    number("REQ/S"),
    number("HEAP"),
    number("GC"),
    number("RSS"),
    number("UP"),
];

pub(super) fn workers(model: &Model) -> List {
    List {
        title: "Workers",
        columns: WORKERS,
        rows: model.status().processes().map(|worker| self::worker(model, worker)).collect(),
        order: None,
        empty: "no worker yet",
    }
}

fn worker(model: &Model, worker: &Worker) -> Vec<Cell> {
    let busy = model.worker_rate(worker, |worker| worker.event_loop.busy_us).map(|us| us / 1e6);
    let is_there = worker.pid.is_some();
    let there = |cell: Cell| if is_there { cell } else { Cell::none() };
    let tone = match worker.state {
        WorkerState::Ready => Tone::Plain,
        WorkerState::Failed => Tone::Bad,
        _ => Tone::Warn,
    };
    let lane = match worker.lane {
        crate::observe::status::Lane::Main => "",
        crate::observe::status::Lane::Heavy => " heavy",
    };
    let event_loop = worker.event_loop;
    let stalls = match event_loop.stalls {
        0 => Cell::none(),
        _ => Cell::ms(as_f64(event_loop.stalled_ms)),
    };
    vec![
        Cell::count(worker.id.into()),
        Cell::text(format!("{}{lane}", worker.state.as_str())).toned(tone),
        worker.pid.map_or_else(Cell::none, |pid| Cell::of(pid.to_string(), pid.into())),
        there(Cell::percent(busy)).bad_if(busy.is_some_and(|busy| busy > 0.95)),
        there(Cell::ms(event_loop.late_ms.into())).bad_if(event_loop.late_ms > 100),
        stalls,
        Cell::count(worker.in_flight.into()),
        Cell::rate(model.worker_rate(worker, |worker| worker.requests)),
        worker.memory.as_ref().map_or_else(Cell::none, |memory| Cell::bytes(memory.heap_used_bytes)),
        worker
            .memory
            .as_ref()
            .map_or_else(Cell::none, |memory| Cell::percent(Some(f64::from(memory.gc_per_mille) / 1000.0))),
        there(Cell::bytes(worker.rss_bytes)),
        there(Cell::of(units::age(worker.uptime_s), as_f64(worker.uptime_s))),
    ]
}

const ROUTES: &[Column] = &[
    text("ROUTE"),
    number("REQ/S"),
    number("REQUESTS"),
    number("P50"),
    number("P99"),
    number("LOOP"),
    number("ALLOC"),
    number("ERRORS"),
];

pub(super) fn routes(model: &Model) -> List {
    let rows = model.status().routes.iter().map(|route| self::route(model, route));
    List { title: "Routes", columns: ROUTES, rows: rows.collect(), order: Some(1), empty: "no request yet" }
}

fn route(model: &Model, route: &Route) -> Vec<Cell> {
    let requests = |status: &Status| {
        let same = status.routes.iter().find(|one| one.route == route.route);
        Some(same.map_or(0, |one| one.requests))
    };
    let churn = model.status().memory.churn.iter().find(|row| row.route == route.route);
    let us = |us: u64| if us == 0 { Cell::none() } else { Cell::ms(as_f64(us) / 1000.0) };
    vec![
        Cell::text(&route.route),
        Cell::rate(model.rate(requests)),
        Cell::count(route.requests),
        us(route.p50_us),
        us(route.p99_us),
        us(route.loop_us),
        churn.map_or_else(Cell::none, |row| Cell::bytes(row.bytes_per_request)),
        Cell::count(route.failed).bad_if(route.failed > 0),
    ]
}

const DOWNSTREAMS: &[Column] = &[
    text("DOWNSTREAM"),
    number("FLIGHT"),
    number("CALLS/S"),
    number("CALLS"),
    number("WIDEST"),
    number("MEAN"),
    number("ERRORS"),
    number("QUEUED"),
    number("REFUSED"),
];

pub(super) fn downstreams(model: &Model) -> List {
    let rows = model.status().downstreams.iter().map(|one| downstream(model, one));
    List {
        title: "Downstreams",
        columns: DOWNSTREAMS,
        rows: rows.collect(),
        order: Some(2),
        empty: "the app has called no other service",
    }
}

fn downstream(model: &Model, one: &Downstream) -> Vec<Cell> {
    let calls = |status: &Status| {
        let same = status.downstreams.iter().find(|other| other.origin == one.origin);
        Some(same.map_or(0, |one| one.calls))
    };
    let in_flight = match (one.concurrency, one.enforced) {
        (0, _) => one.in_flight.to_string(),
        (limit, true) => format!("{} of {limit}", one.in_flight),
        (limit, false) => format!("{} ({limit})", one.in_flight),
    };
    let mean = match one.calls {
        0 => Cell::none(),
        calls => Cell::ms(as_f64(one.took_ms) / as_f64(calls)),
    };
    // What a limit would have made wait stands in brackets, as the limit itself.
    let queued = match one.enforced || one.would_queue == 0 {
        true => Cell::count(one.queued),
        false => Cell::of(format!("({})", short(as_f64(one.would_queue))), as_f64(one.would_queue)),
    };
    let refused = one.refused + one.broken;
    vec![
        origin(one),
        Cell::of(in_flight, as_f64(one.in_flight)),
        Cell::rate(model.rate(calls)),
        Cell::count(one.calls),
        Cell::count(one.fan_out_max),
        mean,
        Cell::count(one.errors).bad_if(one.errors > 0),
        queued,
        Cell::count(refused).bad_if(refused > 0),
    ]
}

/// In front of a name that may be cut off: its calls are refused.
fn origin(one: &Downstream) -> Cell {
    let is_open = one.breaker.as_ref().is_some_and(|breaker| breaker.enforced && breaker.open_s.is_some());
    match is_open {
        true => Cell::text(format!("OPEN {}", one.origin)).toned(Tone::Bad),
        false => Cell::text(&one.origin),
    }
}

const POOLS: &[Column] = &[
    text("POOL"),
    number("IN USE"),
    number("NEEDED"),
    number("WAITING"),
    number("WAITED"),
    number("GOT/S"),
    number("WAIT P99"),
    number("USE P99"),
    number("GAVE UP"),
];

pub(super) fn pools(model: &Model) -> List {
    List {
        title: "Pools",
        columns: POOLS,
        rows: model.status().pools.iter().map(pool).collect(),
        order: None,
        empty: "no pool of connections is known",
    }
}

fn pool(pool: &Pool) -> Vec<Cell> {
    let in_use = match pool.max {
        0 => pool.in_use.to_string(),
        max => format!("{} of {max}", pool.in_use),
    };
    let needed = if pool.needed == 0 { Cell::none() } else { Cell::count(pool.needed.into()) };
    vec![
        Cell::text(&pool.name),
        Cell::of(in_use, as_f64(pool.in_use)),
        needed,
        Cell::count(pool.waiting).bad_if(pool.waiting > 0),
        Cell::ms(as_f64(pool.waited_us) / 1000.0),
        Cell::rate(Some(pool.rate)),
        Cell::ms(pool.wait_p99_ms),
        Cell::ms(pool.use_p99_ms),
        Cell::count(pool.gave_up).bad_if(pool.gave_up > 0),
    ]
}

const SINKS: &[Column] = &[
    text("SINK"),
    number("LINES/S"),
    number("LINES"),
    number("DROPPED"),
    number("FAILURES"),
    number("WAITING"),
    number("OLDEST"),
];

pub(super) fn sinks(model: &Model) -> List {
    let rows = model.status().log_sinks.iter().map(|sink| {
        let lines = |status: &Status| Some(status.log_sinks.iter().find(|one| one.name == sink.name)?.lines);
        vec![
            Cell::text(&sink.name),
            Cell::rate(model.rate(lines)),
            Cell::count(sink.lines),
            Cell::count(sink.dropped_lines).bad_if(sink.dropped_lines > 0),
            Cell::count(sink.failures),
            Cell::bytes(sink.queue_bytes),
            Cell::ms(as_f64(sink.queue_age_ms)),
        ]
    });
    List { title: "Logs", columns: SINKS, rows: rows.collect(), order: None, empty: "no sink" }
}

const GROUPS: &[Column] =
    &[number("TOTAL"), number("TIMES"), number("WORST"), number("WAITED"), text("ROUTE"), text("IN")];

pub(super) fn groups(model: &Model) -> List {
    List {
        title: "Incidents by cause",
        columns: GROUPS,
        rows: model.status().incidents.groups.iter().map(group).collect(),
        order: None,
        empty: "no event loop has stood still since the start",
    }
}

fn group(group: &Group) -> Vec<Cell> {
    vec![
        Cell::ms(as_f64(group.total_ms)),
        Cell::count(group.count),
        Cell::ms(group.worst_ms.into()),
        Cell::count(group.waited),
        Cell::text(group.route.as_deref().unwrap_or("(no request is known)")),
        Cell::text(group.place.as_deref().unwrap_or(NONE)),
    ]
}

const RECENT: &[Column] = &[number("AGO"), text("THE LATEST")];

pub(super) fn recent(model: &Model) -> List {
    List {
        title: "Incidents",
        columns: RECENT,
        rows: model.status().incidents.recent.iter().map(incident).collect(),
        order: None,
        empty: "no event loop has stood still since the start",
    }
}

fn incident(one: &Incident) -> Vec<Cell> {
    let lasts = one.incident.end == End::Lasts;
    let ago = if lasts { "now".to_owned() } else { units::age(one.age_s) };
    vec![Cell::of(ago, as_f64(one.age_s)).bad_if(lasts), Cell::text(&one.incident.text)]
}

#[expect(clippy::cast_precision_loss, reason = "shown in three digits")]
pub(super) fn as_f64(number: u64) -> f64 {
    number as f64
}
