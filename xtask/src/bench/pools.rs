//! `cargo xtask bench pools`: the article's pool of ten, a hundred connections for eight workers that each want twenty, demand
//! that moves, and what an acquire costs that is seen.

mod cost;
pub(super) mod place;
mod shared;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use self::cost::Costs;
use self::place::{App, first_pool, start};
pub(super) use self::place::{Database, shop};
use self::shared::Shared;
use super::field::plimsoll;
use super::only::Only;
use super::open::{Load, Stream};
use super::report::{Keep, Report, Table, Target, figure, targets};
use super::running::Running;
use super::stats::median;
use super::workshop::Workshop;
use super::{Common, machine, wait};
use crate::install::npm_packages_of;
use crate::process::root;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    only: Only<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Article,
    Shared,
    Moves,
    Cost,
}

/// The article's case: a pool of ten, and arrivals that need so many.
const NEEDED: f64 = 25.0;
const QUERY_MS: f64 = 100.0;
const SAID_WITHIN_S: f64 = 10.0;

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    install_packages()?;
    let begun = Instant::now();
    let quick = options.common.quick;
    let article =
        if options.only.wants(Part::Article) { Some(Article::run(&workshop, &program)?) } else { None };
    if let Some(article) = &article {
        eprintln!("article: said after {:.1} s, {} needed", article.said_after_s, article.needed);
    }
    let share = |name, mode, pool| shared::share(&workshop, &program, name, mode, pool, quick);
    let mut all = Vec::new();
    if options.only.wants(Part::Shared) {
        all.push(share("by-hand", "observe", shared::by_hand())?);
        all.push(share("enforced", "enforce", shared::as_the_app_has_it())?);
        all.push(share("plain", "observe", shared::as_the_app_has_it())?);
        eprintln!("shared: {all:?}");
    }
    let mut moved = Vec::new();
    if options.only.wants(Part::Moves) {
        moved = shared::moves(&workshop, &program, options.common.rounds(5))?;
        eprintln!("moved: {moved:?}");
    }
    let mut costs = Costs::default();
    for _ in 0..if options.only.wants(Part::Cost) { options.common.rounds(3) } else { 0 } {
        costs.round(&workshop, &program, quick)?;
    }
    let reached = reached(article.as_ref(), &all, &moved, &costs);
    Report {
        verb: "pools",
        title: "Pools of connections",
        command,
        machine: machine::facts(&[
            ("node", workshop.version_of_node()),
            ("plimsoll", machine::version(&program, "version")),
        ]),
        method: method(),
        tables: vec![
            ("Figures to reach".to_owned(), targets(&reached)),
            ("Eight workers, a hundred connections".to_owned(), table(&all)),
            ("CPU of a worker per acquire".to_owned(), costs.table()),
        ],
        notes: vec![format!("The whole took {} s.", begun.elapsed().as_secs())],
        raw: json!({
            "article": article.map(|article| article.raw),
            "shared": all.iter().map(|one| (one.name.to_owned(), one.raw())).collect::<serde_json::Map<_, _>>(),
            "moved_ms": moved,
            "us_per_acquire": costs.raw(),
        }),
        keep: Keep::unless(quick || !options.only.is_all()),
    }
    .publish()
}

/// What was promised, beside what was found.
fn reached(article: Option<&Article>, all: &[Shared], moved: &[f64], costs: &Costs) -> Vec<Target> {
    let (by_hand, enforced) = (all.first(), all.get(1));
    let mut reached = vec![
        Target::new(
            "until a queue in our own process is said, with the size",
            SAID_WITHIN_S,
            article.map(|article| article.said_after_s),
            " s",
        ),
        Target::new(
            format!("the size that is said is off from {NEEDED} by"),
            20.0,
            article.map(|article| (article.needed - NEEDED).abs() * 100.0 / NEEDED),
            " %",
        ),
        Target::new(
            "8 workers x 20 against 100: connections that were refused (too many clients)",
            0.0,
            enforced.and_then(|enforced| u32::try_from(enforced.refused).ok()).map(f64::from),
            "",
        ),
        Target::new(
            "the same: wait p99 against that of the best sizes by hand",
            1.5,
            by_hand.zip(enforced).map(|(by_hand, enforced)| enforced.wait_p99_ms / by_hand.wait_p99_ms),
            " x",
        ),
        Target::new(
            "until the connections have followed the demand to another worker",
            1000.0,
            median(moved),
            " ms",
        ),
    ];
    reached.extend(costs.targets());
    reached
}

fn method() -> Vec<String> {
    [
        "Article: `examples/shop`, one worker, a pool of ten, PostgreSQL on the same machine; requests come at a fixed rate whose \
         queries, of 100 ms each in the database, need 25 connections. From the first request until `/status` has the finding; the size is that of 9.5 s after the first request.",
        "Shared: `examples/shop`, eight workers, `max_connections = 100` (PostgreSQL keeps three), 255 requests a second of 400 ms \
         each: more than a hundred connections serve. By hand: pools of twelve, the largest that fit. Enforced: pools of twenty, \
         and `pools.mode = \"enforce\"`. Plain: pools of twenty. Waits are those of the last ten seconds. Requests that failed are also \
         those for which the machine had no time.",
        "Demand: two workers share twenty connections; only one of them wants any, and from one moment to the next the other one. \
         Until that has eighteen in use.",
        "Cost: servers that only pretend, in the process of the app; sixteen callers at a time, pools of eight, of `mongodb` the pool \
         alone. Four workers that differ in `pools.mode` alone take turns. CPU of the worker's process per acquire, or per \
         command of `ioredis` and `redis`; the least of all slices.",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn table(all: &[Shared]) -> Table {
    let mut table = Table::new(&["", "wait p99", "requests", "failed", "connections refused"]);
    for one in all {
        let counts = [one.requests.to_string(), one.failed.to_string(), one.refused.to_string()];
        table.row(
            [vec![one.name.to_owned(), figure(Some(one.wait_p99_ms), " ms", 0)], counts.to_vec()].concat(),
        );
    }
    table
}

/// When it was said, and what.
struct Article {
    said_after_s: f64,
    needed: f64,
    raw: Value,
}

impl Article {
    fn run(workshop: &Workshop, program: &Path) -> anyhow::Result<Self> {
        let database = Database::start(workshop, 100)?;
        let app = App {
            name: "article",
            script: shop().join("server.js"),
            workers: 1,
            pool: 10,
            settings: "",
            database: Some(&database),
            env: Vec::new(),
        };
        let running = start(workshop, program, &app)?;
        let stream = Stream {
            name: "orders",
            per_second: NEEDED * 1000.0 / QUERY_MS,
            method: "GET",
            target: format!("/orders/1?ms={QUERY_MS}"),
            fresh_percent: 0,
        };
        let load =
            Load { port: running.port, seconds: SAID_WITHIN_S, streams: vec![stream], ..Load::default() };
        let (_, said) = load.run(|begun| Self::listen(&running, begun))?;
        Ok(said)
    }

    fn listen(running: &Running, begun: Instant) -> anyhow::Result<Self> {
        let said = || {
            let pool = first_pool(running)?;
            let findings = pool.get("findings")?.as_array()?;
            let queue = findings
                .iter()
                .any(|text| text.as_str().is_some_and(|text| text.contains("in our own process")));
            queue.then_some(pool)
        };
        wait::until(Duration::from_secs(30), "the finding", said)?;
        let said_after_s = begun.elapsed().as_secs_f64();
        // What is said when the ten seconds are over rests on more than the first two.
        wait::pause(Duration::from_secs_f64(SAID_WITHIN_S - 0.5).saturating_sub(begun.elapsed()));
        let pool = first_pool(running).context("nothing is told of the pool")?;
        let needed = pool.get("needed").and_then(Value::as_f64).context("no size is said")?;
        Ok(Self { said_after_s, needed, raw: pool })
    }
}

/// The shop, and the libraries of `bench/apps/pooler.js`.
pub(super) fn install_packages() -> anyhow::Result<()> {
    npm_packages_of(&shop())?;
    npm_packages_of(&root().join("crates/plimsoll-agent/test"))
}
