//! What is found of an instance, one fault at a time.

mod lately;

use super::*;
use crate::concerns::event_loop::incident::Kind;
use crate::concerns::event_loop::incident::book::Group;
use crate::observe::logs::WorkerFigures;
use crate::observe::status::downstream::{Breaker, Caller};
use crate::observe::status::pools::{Leak, Pool, Queue};
use crate::observe::status::{
    self, Churn, Collections, Context, Counted, Death, Downstream, EventLoop, Failure, GcKind, HeavyRoute,
    Incidents, Logs, Memory, Requests, Route, Saving, Setup, Stops, Suspect, Worker, WorkerMemory, fixture,
};

/// 2026-11-28, when Node 24 is mended still.
const TODAY: u64 = 1_795_824_000;

fn since(then: &Status) -> Then<'_> {
    Then { minutes: Some(then), lately: None }
}

/// A minute, 6,000 requests of 20 ms, one worker on one CPU, nothing wrong.
fn calm() -> Status {
    let mut status = fixture();
    status.workers.truncate(1);
    status.setup.cpus = 1;
    Status {
        uptime_s: 60,
        requests: Requests { total: 6000, took_ms: 120_000, ..Requests::default() },
        failures: Vec::new(),
        incidents: Incidents::default(),
        downstreams: Vec::new(),
        pools: Vec::new(),
        context: Context::default(),
        workers: status
            .workers
            .into_iter()
            .map(|worker| Worker {
                memory: Some(WorkerMemory::default()),
                event_loop: EventLoop { busy_us: 40_000_000, ..EventLoop::default() },
                ..worker
            })
            .collect(),
        ..status
    }
}

fn group(kind: Kind, call: Option<&str>) -> Group {
    Group {
        route: Some("POST /login".into()),
        route_is_guess: false,
        place: Some("pbkdf2Sync, hash (server.js)".into()),
        kind,
        count: 12,
        total_ms: 4200,
        worst_ms: 480,
        waited: 340,
        rescued: 300,
        cost_ms: 12_000,
        call: call.map(str::to_owned),
        at: Some("server.js:14".into()),
        example: String::new(),
        hint: Some("the same function without Sync".into()),
    }
}

fn stalled(kind: Kind, call: Option<&str>) -> Status {
    Status { incidents: Incidents { groups: vec![group(kind, call)], ..Incidents::default() }, ..calm() }
}

fn pool() -> Pool {
    Pool {
        name: "pg@db:5432/shop".into(),
        server: "db:5432".into(),
        workers: 2,
        max_each: 5,
        needed: 25,
        figures: Counted(pool_figures(90_000)),
        ..Pool::default()
    }
}

fn pool_figures(waited_ms: u64) -> plimsoll_wire::pools::Figures {
    plimsoll_wire::pools::Figures { max: 10, asked: 6000, waited_us: waited_ms * 1000, ..Default::default() }
}

fn queue() -> Queue {
    Queue { pool: pool().name, age_s: 20, lasted_s: 20, ..Queue::default() }
}

fn waiting(waited_ms: u64) -> Pool {
    Pool { figures: Counted(pool_figures(waited_ms)), ..pool() }
}

fn leaking() -> Pool {
    let figures = plimsoll_wire::pools::Figures { leaked: 2, ..pool_figures(90_000) };
    Pool { figures: Counted(figures), leaks: vec![leak()], ..pool() }
}

fn with_pool(pool: Pool) -> Status {
    Status { pools: vec![pool], ..calm() }
}

fn calls() -> Downstream {
    let mut one = Downstream { origin: "http://stock:8080".into(), concurrency: 10, ..Downstream::default() };
    one.figures = Counted(plimsoll_wire::calls::Figures {
        calls: 3000,
        took_ms: 60_000,
        would_queue: 2400,
        would_wait_ms: 48_000,
        ..Default::default()
    });
    one.callers = vec![Caller { route: "GET /orders".into(), seen: 60, most: 50, p99: 50 }];
    one
}

/// Requests are told apart, and none makes many calls at once.
fn narrow() -> Downstream {
    Downstream {
        callers: vec![Caller { route: "GET /cart".into(), seen: 60, most: 20, p99: 12 }],
        figures: Counted(plimsoll_wire::calls::Figures { fan_outs: 60, ..calls().figures.0 }),
        ..calls()
    }
}

/// Its breaker holds: it has refused so many calls since it opened, and is open or not.
fn broken(refused: u64, open_s: Option<u64>) -> Downstream {
    let breaker = status::downstream::fixture().breaker.map(|breaker| Breaker { open_s, ..breaker });
    let figures =
        plimsoll_wire::calls::Figures { calls: 30, failed: 25, broken: refused, ..Default::default() };
    Downstream { breaker, figures: Counted(figures), ..calls() }
}

fn worker(change: impl FnOnce(&mut Worker)) -> Status {
    let mut status = calm();
    if let Some(first) = status.workers.first_mut() {
        change(first);
    }
    status
}

/// With another worker that has hardly worked.
fn beside(mut status: Status, memory: WorkerMemory, busy_us: u64) -> Status {
    let Some(first) = status.workers.first().cloned() else { return status };
    let event_loop = EventLoop { busy_us, ..EventLoop::default() };
    status.workers.push(Worker { memory: Some(memory), event_loop, ..first });
    status
}

fn codes(findings: &Findings) -> Vec<&str> {
    findings.findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn leak() -> Leak {
    Leak { taker: "    at invoice (/app/server.js:88:31)".into(), held_ms: 31_000, ..Leak::default() }
}

/// A hook that takes so much of the loops' time.
fn taxed(per_mille: u32) -> Status {
    let mut context = fixture().context;
    if let Some(tax) = &mut context.tax {
        tax.share_per_mille = Some(per_mille);
    }
    Status { context, ..calm() }
}

/// A route that keeps the loop for long, and is asked for.
fn heavy() -> Status {
    let heavy = HeavyRoute { route: "GET /reports".into(), cost_ms: 60.0, ..HeavyRoute::default() };
    let of_route =
        Route { route: "GET /reports".into(), requests: 600, failed: 0, p50_us: 0, p99_us: 0, loop_us: 0 };
    Status { heavy_routes: vec![heavy], routes: vec![of_route], ..calm() }
}

#[test]
fn each_fault_is_found_and_no_other() {
    let gc = |total_us| WorkerMemory {
        gc: vec![Collections { kind: GcKind::Minor, count: 900, total_us, pauses: vec![900] }],
        ..WorkerMemory::default()
    };
    let death = Death { reason: "exited with code 1".into(), age_s: 5, running: 3, not_begun: 1 };
    let flood = |sampled| Status {
        logs: Logs { kept: 60_000, sampled, ..Logs::default() },
        ..worker(|one| one.logs = Some(WorkerFigures { lines: 60_000 + sampled, ..WorkerFigures::default() }))
    };
    let overloaded = Failure { code: "overloaded".into(), count: 7 };
    let queued = Requests { queued: 90, queued_ms: 9000, ..calm().requests };
    let table: Vec<(Status, &[&str])> = vec![
        (calm(), &[]),
        (stalled(Kind::NativeCall, Some("pbkdf2Sync")), &["stall"]),
        (stalled(Kind::JavaScript, None), &["stall"]),
        (stalled(Kind::NativeCall, Some("console.log")), &["log_blocks"]),
        (stalled(Kind::GarbageCollection, None), &["gc_pressure"]),
        (stalled(Kind::CpuThrottling, None), &["cpu_throttled"]),
        (stalled(Kind::CpuStarvation, None), &["cpu_starved"]),
        (heavy(), &["heavy_route"]),
        (Status { failures: vec![overloaded], ..calm() }, &["overloaded"]),
        (with_pool(pool()), &["pool_too_small"]),
        (Status { pool_queues: vec![queue()], ..with_pool(Pool { needed: 8, ..pool() }) }, &["pool_held"]),
        // That is how long its connections took to open.
        (with_pool(Pool { needed: 8, ..pool() }), &[]),
        (with_pool(waiting(200)), &[]),
        (with_pool(leaking()), &["pool_leak"]),
        (with_pool(Pool { allowed: Some(7), ..waiting(0) }), &["pools_oversubscribe"]),
        (with_pool(Pool { allowed: Some(7), enforced: true, ..waiting(0) }), &[]),
        (Status { downstreams: vec![calls()], ..calm() }, &["fan_out"]),
        (Status { downstreams: vec![Downstream { callers: Vec::new(), ..calls() }], ..calm() }, &["fan_out"]),
        (Status { downstreams: vec![Downstream { enforced: true, ..calls() }], ..calm() }, &[]),
        (Status { downstreams: vec![narrow()], ..calm() }, &[]),
        // That the service fails stands in it.
        (Status { downstreams: vec![broken(70, Some(42))], ..calm() }, &["breaker_open", "fan_out"]),
        (worker(|one| one.last_death = Some(death.clone())), &["worker_dies"]),
        (worker(|one| one.last_death = Some(Death { age_s: 61, ..death.clone() })), &[]),
        (Status { stops: Stops { asked: 2, killed: 2 }, ..calm() }, &["sigterm_ignored"]),
        (Status { setup: Setup { idle_timeout_ms: 5000, ..calm().setup }, ..calm() }, &["keep_alive_short"]),
        (flood(0), &[]),
        (flood(120_000), &["log_flood"]),
        (worker(|one| one.memory = Some(gc(6_000_000))), &["gc_pressure"]),
        (worker(|one| one.memory = Some(gc(3_000_000))), &[]),
        // The collections of its start are most of what this worker has done; the other one collects enough to be told of.
        (beside(worker(|one| one.memory = Some(gc(3_900_000))), gc(45_000), 60_000), &[]),
        (
            worker(|one| one.memory = Some(WorkerMemory { growth: Some("its heap grows".into()), ..gc(0) })),
            &["heap_grows"],
        ),
        (Status { requests: queued, setup: Setup { cpus: 4, ..calm().setup }, ..calm() }, &["few_workers"]),
        (Status { requests: queued, ..calm() }, &[]),
        (taxed(83), &["async_tax"]),
        (taxed(20), &[]),
        (worker(|one| one.node = Some("v20.1.0".into())), &["node_old"]),
        (worker(|one| one.node = Some("v99".into())), &[]),
    ];
    for (status, expected) in table {
        let found = judge(&status, Then::default(), TODAY);
        assert_eq!(codes(&found), expected, "{:#?}", found.findings);
        assert_eq!(found.too_little, None);
        for finding in &found.findings {
            assert!(CODES.contains(&(&finding.code, &finding.concern)), "{finding:?}");
            assert!(!finding.fix.is_empty() && !finding.seen.is_empty() && !finding.figures.is_empty());
        }
    }
}

#[test]
fn what_costs_most_stands_first_and_what_it_costs_is_said() {
    let status = Status {
        pools: vec![pool()],
        downstreams: vec![calls()],
        stops: Stops { asked: 2, killed: 1 },
        ..stalled(Kind::NativeCall, Some("pbkdf2Sync"))
    };
    let found = judge(&status, Then::default(), TODAY);
    let ranked: Vec<_> =
        found.findings.iter().map(|one| (one.code.as_str(), one.severity, one.damage_ms_per_s)).collect();
    assert_eq!(
        ranked,
        [
            ("pool_too_small", Severity::Critical, 1500.0),
            ("fan_out", Severity::Warning, 800.0),
            ("stall", Severity::Critical, 200.0),
            ("sigterm_ignored", Severity::Advice, 0.0),
        ]
    );
    let costs: Vec<_> = found.findings.iter().map(|one| one.cost.as_deref()).collect();
    assert_eq!(
        costs,
        [
            Some("clients wait 1.5 s in every second for it, 75 % of all their waiting"),
            Some("calls stand in line there for 800 ms in every second"),
            Some("clients wait 200 ms in every second for it, 10 % of all their waiting"),
            None,
        ]
    );
    assert_eq!((found.seconds, found.requests, found.waiting_ms_per_s), (60, 6000, 2000.0));
    let stall = &found.findings[2];
    assert_eq!(stall.what, "POST /login blocks the event loop in pbkdf2Sync, hash (server.js)");
    assert_eq!(stall.figures["waited"], 340.0);
}

#[test]
fn an_open_breaker_is_told_with_whose_calls_it_refuses_and_for_how_long() {
    let found = |one: Downstream| {
        let status = Status { downstreams: vec![Downstream { callers: Vec::new(), ..one }], ..calm() };
        judge(&status, Then::default(), TODAY).findings.into_iter().find(|one| one.code == "breaker_open")
    };
    let open = found(broken(1240, Some(42))).unwrap();
    assert_eq!(
        (open.what.as_str(), open.seen[0].as_str(), open.cost.as_deref()),
        (
            "GET /orders: calls to http://stock:8080 are refused, its circuit breaker has been open for 42s",
            "1,240 calls refused, and 25 of 30 calls that were made failed; it opened 2 times, the last time because 5 \
             calls in a row failed",
            Some("1,240 requests failed"),
        )
    );
    assert_eq!(["broken", "opened", "open_s"].map(|name| open.figures[name]), [1240.0, 2.0, 42.0]);
    // What it was is told for as long as it is within the time that is judged.
    let over = found(broken(7, None)).unwrap();
    assert_eq!(
        over.what,
        "GET /orders: calls to http://stock:8080 were refused, its circuit breaker was open"
    );
    assert_eq!(found(broken(0, None)), None);
    // One that only computes refuses nothing.
    let mut observed = broken(0, Some(42));
    observed.breaker.as_mut().unwrap().enforced = false;
    observed.breaker.as_mut().unwrap().would_refuse = 340;
    let status = Status { downstreams: vec![observed], ..calm() };
    let fails = judge(&status, Then::default(), TODAY)
        .findings
        .into_iter()
        .find(|one| one.code == "downstream_fails");
    let acts = fails.unwrap().acts.unwrap();
    assert!(acts.starts_with("a circuit breaker would have refused 340 calls"), "{acts}");
}

#[test]
fn churn_is_told_by_route_and_with_what_larger_semi_spaces_would_save() {
    let gc = Collections { kind: GcKind::Minor, count: 900, total_us: 6_000_000, pauses: vec![900] };
    let row = |route: &str, bytes_per_request, share_per_mille| Churn {
        route: route.into(),
        bytes_per_request,
        weighed: 20,
        share_per_mille,
    };
    let churn = vec![row("GET /list", 3 << 20, 920), row("GET /cart", 80 << 10, 60), row("GET /", 100, 0)];
    let saving = Some(Saving { semi_space_mb: 64, per_mille: 61 });
    let status = Status {
        memory: Memory { churn, saving, ..Memory::default() },
        ..worker(|one| one.memory = Some(WorkerMemory { gc: vec![gc], ..WorkerMemory::default() }))
    };
    let found = &judge(&status, Then::default(), TODAY).findings[0];
    assert_eq!(
        (found.what.as_str(), found.seen[1].as_str(), found.figures["bytes_per_request"]),
        (
            "15 % of the event loop's time goes into collecting garbage: each GET /list allocates 3 MB",
            "a request allocates: GET /list 3 MB (92 % of all), GET /cart 80 kB (6.0 % of all)",
            f64::from(3 << 20)
        )
    );
    assert!(
        found
            .fix
            .ends_with("would save about 6.1 % of the loop's time: NODE_OPTIONS=--max-semi-space-size=64")
    );
}

#[test]
fn a_leak_is_told_with_its_growth_for_each_request_and_when_the_heap_is_full() {
    const MB: u64 = 1 << 20;
    let growing = |one: &mut Worker| {
        one.memory = Some(WorkerMemory {
            heap_used_bytes: 46 * MB,
            heap_after_gc_bytes: 44 * MB,
            heap_limit_bytes: 68 * MB,
            growth: Some("its heap grows".into()),
            ..WorkerMemory::default()
        });
    };
    let suspect = Suspect { route: "POST /carts".into(), bytes_per_request: 9 << 10 };
    let leak = |suspects: &[Suspect]| status::Leak {
        worker: 0,
        age_s: 5,
        from_bytes: 20 * MB,
        to_bytes: 44 * MB,
        over_s: 270,
        requests: 24_000,
        suspects: suspects.to_vec(),
        text: String::new(),
        hint: String::new(),
    };
    let found = |suspects: &[Suspect]| {
        let memory = Memory { leaks: vec![leak(suspects)], ..Memory::default() };
        judge(&Status { memory, ..worker(growing) }, Then::default(), TODAY).findings.remove(0)
    };
    let named = found(std::slice::from_ref(&suspect));
    assert_eq!(
        named.what,
        "the heap of worker 0 grows and grows, with POST /carts: 9 kB for each of its requests"
    );
    assert_eq!(
        named.seen,
        [
            "major collections left 20 MB and, 4m 30s later, 44 MB; meanwhile it served 24,000 requests",
            "46 MB of 68 MB in use; full in about 4m 30s"
        ]
    );
    assert_eq!(found(&[]).what, "the heap of worker 0 grows and grows, by 1 kB for each request");
    assert_eq!(found(&[]).figures["bytes_per_request"], 1048.0);
}

#[test]
fn what_was_before_is_not_counted_again() {
    let then = stalled(Kind::JavaScript, None);
    let mut now = then.clone();
    now.uptime_s += 300;
    now.requests.total += 30_000;
    now.requests.took_ms += 600_000;
    assert_eq!(codes(&judge(&now, since(&then), TODAY)), Vec::<&str>::new());
    now.incidents.groups[0].count += 4;
    now.incidents.groups[0].cost_ms += 30_000;
    let found = judge(&now, since(&then), TODAY);
    let one = &found.findings[0];
    assert_eq!((one.damage_ms_per_s, one.figures["count"], found.seconds), (100.0, 4.0, 300));
    assert!(!found.since_start);
}

#[test]
fn with_too_little_behind_it_that_is_said() {
    let of = |status: &Status| judge(status, Then::default(), TODAY).too_little;
    assert_eq!(
        of(&Status { state: State::Starting, ..calm() }).as_deref(),
        Some("no worker has listened yet")
    );
    let young = of(&Status { uptime_s: 3, ..calm() });
    assert_eq!(young.as_deref(), Some("it has run for 3 s; ask again after 10 s of traffic"));
    let idle = Status { requests: Requests { total: 1, ..Requests::default() }, ..calm() };
    assert_eq!(of(&idle).as_deref(), Some("1 request in 60 s; ask again under traffic"));
}

#[test]
fn a_worker_without_the_agent_is_not_taken_for_a_healthy_one() {
    let found = judge(&worker(|one| one.node = None), Then::default(), TODAY);
    assert!(found.notes[0].contains("without the agent"), "{:?}", found.notes);
}

#[test]
fn a_multitude_of_findings_is_cut_and_counted() {
    let many =
        (0..200).map(|number| Group { place: Some(format!("f{number}")), ..group(Kind::JavaScript, None) });
    let incidents = Incidents { groups: many.collect(), ..Incidents::default() };
    let found = judge(&Status { incidents, ..calm() }, Then::default(), TODAY);
    assert_eq!((found.findings.len(), found.left_out), (FINDINGS_MAX, 180));
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Findings>(&json).unwrap(), found);
}

#[test]
fn the_page_of_the_doctor_lists_every_code_with_its_concern() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operate/doctor.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("\n## What is found").unwrap();
    let cell = |text: &str| text.trim().trim_matches('`').to_owned();
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let mut cells = line.split('|').skip(1).map(cell);
        (cells.next().unwrap(), cells.next().unwrap())
    });
    let expected = CODES.map(|(code, concern)| (code.to_owned(), concern.to_owned()));
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}

#[test]
fn without_churn_only_the_collections_that_stop_a_loop_count() {
    let gc = Collections { kind: GcKind::Minor, count: 900, total_us: 3_000_000, pauses: vec![900] };
    let mut status = stalled(Kind::GarbageCollection, None);
    status.workers[0].memory = Some(WorkerMemory { gc: vec![gc], ..WorkerMemory::default() });
    // 12 s of clients in a minute; not the 3 s of all collections besides.
    assert_eq!(judge(&status, Then::default(), TODAY).findings[0].damage_ms_per_s, 200.0);
    status.incidents.groups[0].cost_ms = 0;
    assert_eq!(
        codes(&judge(&status, Then::default(), TODAY)),
        Vec::<&str>::new(),
        "nobody waited: it was the start"
    );
}
