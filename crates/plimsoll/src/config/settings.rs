//! The table of settings: the one definition of each, from which everything else is made.
//!
//! A row's `doc` is the manual: what it does, its unit, and when to change it. Its first sentence is the help
//! of the flag. The default is not repeated here: it is read from `Config::default`.

mod context;
mod context_frame;
mod downstream;
mod logs;
mod memory;
mod metrics;
mod pools;

use std::marker::PhantomData;

use super::definition::{Default, Definition, FlagDefinition, Setting};
use super::form::{Address, Choice, Count, Length, Name, Optional, Size, Workers};
use super::lane::Lanes;
use super::resolved::{
    AgentMode, CpuScheduling, Gather, HEADERS_MAX, LanesMode, RetryStarted, Trunks, Upgraded,
};

/// All flags: key, flag and manual, in the order of the table.
pub fn flags() -> impl Iterator<Item = (&'static str, FlagDefinition, String)> {
    all().filter(|setting| setting.flag() != FlagDefinition::None).map(|setting| {
        let manual = format!(
            "{}\n\n[default: {}] [key: {}] [env: {}]",
            setting.doc(),
            setting.describe_default().replace('`', ""),
            setting.key(),
            setting.variable()
        );
        (setting.key(), setting.flag(), manual)
    })
}

/// Every row, in the order of the reference page.
pub(super) fn all() -> impl Iterator<Item = &'static dyn Definition> {
    SETTINGS
        .iter()
        .chain(context_frame::SETTINGS)
        .chain(context::SETTINGS)
        .chain(downstream::SETTINGS)
        .chain(logs::SETTINGS)
        .chain(memory::SETTINGS)
        .chain(metrics::SETTINGS)
        .chain(pools::SETTINGS)
        .copied()
}

pub(super) fn find(key: &str) -> Option<&'static dyn Definition> {
    all().find(|setting| setting.key() == key)
}

/// All keys, and the tables they stand in: what a key of the file may have been meant to be.
pub(super) fn names() -> Vec<&'static str> {
    let tables = all().filter_map(|setting| setting.key().split_once('.')).map(|(table, _)| table);
    let mut names: Vec<_> = all().map(Definition::key).chain(tables).collect();
    names.dedup();
    names
}

/// Is `path` a table that holds settings?
pub(super) fn is_table(path: &str) -> bool {
    all().any(|setting| setting.key().strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// A longer name may find no room in the path of a Unix socket.
pub const NAME_MAX: usize = 32;
pub(super) const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
pub(super) const DAY: u64 = 24 * HOUR;
pub(super) const KB: u64 = 1024;

pub(super) const fn length(least_ms: u64, most_ms: u64) -> Length {
    Length { least_ms, most_ms }
}

pub(super) const fn size<N>(least: u64, most: u64) -> Size<N> {
    Size { least, most, number: PhantomData }
}

/// In the order of the reference page: tables by name as the design introduces them.
static SETTINGS: &[&dyn Definition] = &[
    &Setting {
        key: "name",
        form: Optional { word: "auto", form: Name { most: NAME_MAX } },
        place: |config| &mut config.name,
        flag: FlagDefinition::Value { long: "name", value_name: "NAME" },
        default: Default::Depends("`auto`, the first 32 characters of the name of the working directory"),
        doc: "Name of this instance, by which `plimsoll ps` and `plimsoll stop` find it. Set it when two \
              instances run on one host from directories of the same name.",
    },
    &Setting {
        key: "admin",
        form: Optional { word: "off", form: Address },
        place: |config| &mut config.admin.listen,
        flag: FlagDefinition::Value { long: "admin", value_name: "ADDR|off" },
        default: Default::Value,
        doc: "Where `/livez`, `/readyz`, `/status` and `/metrics` are served. It only shows: nothing can be \
              changed through it. Set `0.0.0.0:9797` where probes or a scraper come from outside the container, \
              and another port for each instance on one host.",
    },
    &Setting {
        key: "workers.count",
        form: Workers { most: 1024 },
        place: |config| &mut config.workers.count,
        flag: FlagDefinition::Value { long: "workers", value_name: "N|auto" },
        default: Default::Depends("the variable `WEB_CONCURRENCY` where it is set, else `1`"),
        doc: "How many worker processes run the app. `auto` is one per CPU that the container's quota allows. \
              Raise it when the app keeps nothing in memory that another worker would miss (sessions, caches \
              that must agree, WebSocket rooms); until then 1 is the only number that is always right.",
    },
    &Setting {
        key: "workers.agent",
        form: Choice(&[("auto", AgentMode::Auto), ("off", AgentMode::Off)]),
        place: |config| &mut config.workers.agent,
        flag: FlagDefinition::Switch { long: "no-agent", means: "off" },
        default: Default::Value,
        doc: "Runs the app without the agent inside its workers. The gateway then reaches one worker on \
              `127.0.0.1:$PORT`, and what needs the agent is not available. `auto` loads it and goes on \
              without it where it cannot be loaded. Set `off` to find out whether the agent is the cause of a \
              problem.",
    },
    &Setting {
        key: "workers.listen_timeout",
        form: length(100, HOUR),
        place: |config| &mut config.workers.listen_timeout,
        flag: FlagDefinition::Value { long: "listen-timeout", value_name: "DURATION" },
        default: Default::Value,
        doc: "How long a worker may take from its start until it listens before that is reported. The worker \
              is not killed for it, but a reload is given up, and the old workers go on. Raise it for an app \
              that migrates a database or compiles at start.",
    },
    &Setting {
        key: "workers.surge",
        form: Count { least: 1, most: 1024 },
        place: |config| &mut config.workers.surge,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How many processes there may be above the number of workers during a reload: so many are renewed \
              at a time. Raise it to reload faster where there is memory for as many more.",
    },
    &Setting {
        key: "workers.max_requests",
        form: Optional { word: "off", form: Count { least: 1, most: 1_000_000_000_000 } },
        place: |config| &mut config.workers.max_requests,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "After how many requests a worker is renewed, whatever it holds; up to a tenth fewer, so that workers do not go \
              together. Set it for a leak that is outside of what can be measured, until it is found.",
    },
    &Setting {
        key: "workers.cpu_scheduling",
        form: Choice(&[("other", CpuScheduling::Other), ("batch", CpuScheduling::Batch)]),
        place: |config| &mut config.workers.cpu_scheduling,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "The CPU scheduling policy of workers, `SCHED_OTHER` or `SCHED_BATCH` (sched(7)). Of the batch policy they get as \
              much of a CPU as others, but interrupt nobody when they wake: a busy worker then finds more requests at a \
              time, and spends less on each. Set `batch` where requests are many and small and links are sockets (`gateway.trunks = \"off\"`); where some of them compute for \
              long, the others wait a millisecond more. Where Plimsoll itself was started with another policy, workers \
              have that.",
    },
    &Setting {
        key: "gateway.listen",
        form: Optional { word: "app", form: Address },
        place: |config| &mut config.gateway.listen,
        flag: FlagDefinition::Value { long: "listen", value_name: "ADDR" },
        default: Default::Depends("`app`, what the app passes to `listen()`"),
        doc: "Address that the gateway binds in place of the one that the app passes to `listen()`. A port \
              alone (`8080` or `:8080`) means every address, IPv4 and IPv6. Set it when the app has its own \
              address built in.",
    },
    &Setting {
        key: "gateway.threads",
        form: Count { least: 1, most: 64 },
        place: |config| &mut config.gateway.threads,
        flag: FlagDefinition::Value { long: "gateway-threads", value_name: "N" },
        default: Default::Depends("`1`, or `2` where 8 CPUs or more may be used"),
        doc: "Threads that carry requests. One thread serves several workers at full load. Raise it when \
              `/metrics` shows the gateway's thread near one whole CPU.",
    },
    &Setting {
        key: "gateway.head_max",
        form: size(KB, 16 * KB * KB),
        place: |config| &mut config.gateway.head_bytes_max,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Largest head of a request: request line and header lines. A larger one is answered 431. The \
              app's own limit (Node: 16KB, `--max-http-header-size`) still applies behind it.",
    },
    &Setting {
        key: "gateway.headers_max",
        form: Count { least: 1, most: HEADERS_MAX },
        place: |config| &mut config.gateway.headers_max,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Most header lines that a request may have. One with more is answered 431. Raise it when a proxy \
              in front adds more than that.",
    },
    &Setting {
        key: "gateway.target_max",
        form: size(256, 16 * KB * KB),
        place: |config| &mut config.gateway.target_bytes_max,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Longest request target (path and query). A longer one is answered 414. It is part of the head, \
              so a limit above `gateway.head_max` has no effect.",
    },
    &Setting {
        key: "gateway.header_timeout",
        form: length(100, DAY),
        place: |config| &mut config.gateway.header_timeout,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long a client may take from the first byte of a request to the end of its head. Then it is \
              answered 408 and the connection is closed. This is what stops clients that send one byte a \
              second.",
    },
    &Setting {
        key: "gateway.idle_timeout",
        form: length(100, DAY),
        place: |config| &mut config.gateway.idle_timeout,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long a kept-alive connection may wait for its next request. Keep it above the idle timeout \
              of the load balancer in front (AWS ALB: 60s), or the balancer writes into connections that are \
              just being closed.",
    },
    &Setting {
        key: "gateway.link_idle_timeout",
        form: length(100, DAY),
        place: |config| &mut config.gateway.link_idle_timeout,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "After how long a connection to a worker that no request needs is closed: what a burst has opened goes back. The app's own \
              `keepAliveTimeout` does not matter here.",
    },
    &Setting {
        key: "gateway.body_timeout",
        form: length(100, DAY),
        place: |config| &mut config.gateway.body_timeout,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long no byte of a request body may arrive before the request is cut. Time during which the \
              app itself does not read is not counted. It does not limit the whole upload.",
    },
    &Setting {
        key: "gateway.body_rate",
        form: Optional { word: "off", form: size(1, 1024 * 1024 * 1024) },
        place: |config| &mut config.gateway.body_rate,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How many bytes of a request body must come per second. A client that is slower is cut when it is behind by \
              `gateway.body_timeout`; one that sends a byte now and then to hold a connection, never faster than this, soon is. \
              It does not count while the app does not read, nor while the answer comes. Set `off` for clients that \
              stream events to the app and may be silent for long.",
    },
    &Setting {
        key: "gateway.write_timeout",
        form: length(100, DAY),
        place: |config| &mut config.gateway.write_timeout,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long a client may take no byte of a response before the connection is cut. It does not limit \
              the whole download, nor how long the app is silent (server-sent events).",
    },
    &Setting {
        key: "gateway.request_timeout",
        form: Optional { word: "off", form: length(1, DAY) },
        place: |config| &mut config.gateway.request_timeout,
        flag: FlagDefinition::Value { long: "request-timeout", value_name: "DURATION|off" },
        default: Default::Value,
        doc: "How long the app may take from being sent a request to the head of its answer. Then the client \
              is answered 504. Set it to a little less than what the client or the load balancer waits.",
    },
    &Setting {
        key: "gateway.body_max",
        form: Optional { word: "off", form: size(0, 1 << 50) },
        place: |config| &mut config.gateway.body_bytes_max,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Largest request body. A larger one is answered 413 before the app sees it where its length is \
              declared, else as soon as the limit is passed. The app's own limits still apply.",
    },
    &Setting {
        key: "gateway.connections_max",
        form: Count { least: 1, most: 10_000_000 },
        place: |config| &mut config.gateway.connections_max,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Most client connections open at once, all listeners together. Further ones are refused and \
              counted. The limit of open files (`ulimit -n`) must allow it.",
    },
    &Setting {
        key: "gateway.hold",
        form: length(0, HOUR),
        place: |config| &mut config.gateway.hold,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long a request waits when no worker listens (a single worker that is being replaced) before \
              it is answered 503. `0s` answers at once.",
    },
    &Setting {
        key: "gateway.retry_started",
        form: Choice(&[("off", RetryStarted::Off), ("idempotent", RetryStarted::Idempotent)]),
        place: |config| &mut config.gateway.retry_started,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "What becomes of a request whose worker died after it had begun it. `off` answers 502 \
              `worker_died`. `idempotent` sends GET, HEAD, PUT, DELETE and OPTIONS to another worker once, if \
              no byte of an answer had come: set it when the app keeps to what these methods promise.",
    },
    &Setting {
        key: "gateway.gather",
        form: Choice(&[("auto", Gather::Auto), ("off", Gather::Off)]),
        place: |config| &mut config.gateway.gather,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Under load a gateway thread that would be woken again at once first waits a moment, and takes all that came \
              meanwhile together: the workers and the gateway need less processor time for each request. The moment \
              is at most an eighth of what requests take, a quarter of what the quick ones among them take, and 200 µs. \
              `off` never waits.",
    },
    &Setting {
        key: "gateway.trunks",
        form: Choice(&[("auto", Trunks::Auto), ("off", Trunks::Off)]),
        place: |config| &mut config.gateway.trunks,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "`auto`: requests and answers go between the gateway and the workers through memory that they share, where the \
              agent can; it takes half as many system calls. `off`: always through sockets.",
    },
    &Setting {
        key: "event_loop.rescue_after",
        form: length(1, HOUR),
        place: |config| &mut config.event_loop.rescue_after,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long a request may wait in a worker that has not begun it before it is taken back and sent to \
              another one. It is the least: for a worker that is always slow to begin, three times what is usual for \
              it counts. Raise it when the workers have fewer CPUs than they need and requests move for nothing.",
    },
    &Setting {
        key: "event_loop.shed_after",
        form: Optional { word: "off", form: length(10, HOUR) },
        place: |config| &mut config.event_loop.shed_after,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long a request may wait for a worker in an overload before it is answered 503 `overloaded`. An overload is \
              when everybody who is served has waited for two ninths of this (20 ms), for half a second: then the newest are \
              served first, as their clients are still there. Raise it where clients would rather wait than ask again. `off`: \
              nobody is refused for having waited, all are served in order, and what they wait grows for as long as more \
              comes than the workers can do (at most 10,000 wait, for each gateway thread).",
    },
    &Setting {
        key: "event_loop.stall_threshold",
        form: length(20, HOUR),
        place: |config| &mut config.event_loop.stall_threshold,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long the event loop of a worker may stand still before that counts as a stall, of which the stack \
              is taken. Lower it to hear of shorter ones; each look at a blocked loop costs it about a quarter of a \
              millisecond. No request is treated in another way for it.",
    },
    &Setting {
        key: "event_loop.lanes",
        form: Choice(&[("auto", LanesMode::Auto), ("off", LanesMode::Off)]),
        place: |config| &mut config.event_loop.lanes,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Whether routes that keep the event loop for long are given workers of their own. `auto` learns which, \
              from the time their requests take on the loop. `off` lets every worker serve every route, except those \
              of `event_loop.lane`.",
    },
    &Setting {
        key: "event_loop.heavy_threshold",
        form: length(20, HOUR),
        place: |config| &mut config.event_loop.heavy_threshold,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "A route is heavy when its requests usually keep the event loop for longer than this; it is no longer \
              below half of it. Lower it where shorter ones already disturb the others.",
    },
    &Setting {
        key: "event_loop.heavy_workers",
        form: Optional { word: "auto", form: Count { least: 1, most: 1024 } },
        place: |config| &mut config.event_loop.heavy_workers,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How many workers serve the heavy routes that were learned. `auto` is a quarter, at least one; one worker \
              always stays with the others. Raise it when heavy requests wait for one another and CPUs are idle.",
    },
    &Setting {
        key: "event_loop.lane",
        form: Lanes,
        place: |config| &mut config.event_loop.lanes_by_hand,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Routes that are given workers of their own whatever they cost: `[[event_loop.lane]]` with `routes` \
              (`[\"POST /reports/*\"]`) and `workers` (1 if it is left out). `*` is any method or any one segment of \
              a path, at its end all that follow. Their requests run one at a time in each of these workers.",
    },
    &Setting {
        key: "event_loop.dead_after",
        form: length(1000, 24 * HOUR),
        place: |config| &mut config.event_loop.dead_after,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long the event loop of a worker that has work may not turn, or its process be stopped, before the \
              worker is killed and replaced. A busy worker is never replaced sooner. Raise it where one call may \
              rightly take longer, or while you stand at a breakpoint.",
    },
    &Setting {
        key: "shutdown.delay",
        form: length(0, HOUR),
        place: |config| &mut config.shutdown.delay,
        flag: FlagDefinition::None,
        default: Default::Depends("`5s` under Kubernetes (`KUBERNETES_SERVICE_HOST` is set), else `0s`"),
        doc: "How long everything is still served after a stop was asked for and `/readyz` says 503. A load \
              balancer goes on sending until it has heard; whoever connects after the listener is closed gets an \
              error. Replaces a `preStop: sleep`.",
    },
    &Setting {
        key: "shutdown.grace",
        form: length(0, DAY),
        place: |config| &mut config.shutdown.grace,
        flag: FlagDefinition::Value { long: "grace", value_name: "DURATION" },
        default: Default::Value,
        doc: "How long requests in flight may take to finish once the listener is closed. What is then still \
              open is cut and counted. Keep the sum of `shutdown.delay`, this and `shutdown.worker_grace` below \
              the pod's `terminationGracePeriodSeconds` (30s unless it is set).",
    },
    &Setting {
        key: "shutdown.worker_grace",
        form: length(0, HOUR),
        place: |config| &mut config.shutdown.worker_grace,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long a worker may take to exit after SIGTERM before it is killed. Raise it when the app \
              flushes something in its SIGTERM handler.",
    },
    &Setting {
        key: "shutdown.upgraded",
        form: Choice(&[("close", Upgraded::Close), ("wait", Upgraded::Wait)]),
        place: |config| &mut config.shutdown.upgraded,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "What becomes of WebSockets and other upgraded connections when their worker drains. `close` ends \
              them at once (WebSockets with code 1001, going away): clients come back to another worker. `wait` \
              lets them go on until `shutdown.grace` is over.",
    },
];
