//! The processes that take part: the example's service and shop, and the app that makes calls as fast as it can.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::process::Pid;
use serde_json::Value;

use super::super::running::Running;
use super::super::wait;
use super::super::workshop::{Workshop, app};
use crate::install::npm_packages_of;
use crate::process::root;

/// The example's service, and its app behind Plimsoll with the limit.
pub(super) struct Example {
    pub(super) stock: Running,
    pub(super) shop: Running,
}

impl Example {
    pub(super) fn start(
        workshop: &Workshop,
        program: &Path,
        node: &Path,
        workers: u16,
    ) -> anyhow::Result<Self> {
        let folder = folder();
        let stock = stock(workshop)?;
        let settings = workshop.directory.join("limit.toml");
        let limit = "mode = 'enforce'\nconcurrency = 10\nqueue = 5000\nqueue_timeout = '5m'\n";
        std::fs::write(&settings, format!("[downstream.\"127.0.0.1:{}\"]\n{limit}", stock.port))?;
        let shop = Running::start(workshop, program, None, "shop", |command, admin| {
            let workers = workers.to_string();
            command
                .args(["run", "--name", "bench", "--workers", &workers, "--admin", admin, "--config"])
                .arg(&settings);
            command.arg("--").arg(node).arg(folder.join("server.js")).current_dir(&folder);
            command.env("STOCK_URL", format!("http://127.0.0.1:{}", stock.port));
        })?
        .when_it_answers()?;
        shop.wait_for_workers(workers)?;
        Ok(Self { stock, shop })
    }

    /// The same on plain Node.
    pub(super) fn start_by_hand(workshop: &Workshop) -> anyhow::Result<Self> {
        let stock = stock(workshop)?;
        let shop = Running::start(workshop, &workshop.node, None, "by-hand", |command, _| {
            command.arg(folder().join("server.js"));
            command.env("STOCK_URL", format!("http://127.0.0.1:{}", stock.port));
        })?
        .when_it_answers()?;
        Ok(Self { stock, shop })
    }

    /// What the service has seen since it was last reset.
    pub(super) fn figure(&self, name: &str) -> anyhow::Result<f64> {
        let figures: Value = serde_json::from_str(&self.stock.ask("/figures")?)?;
        figures.get(name).and_then(Value::as_f64).with_context(|| format!("the service says no {name}"))
    }

    pub(super) fn reset(&self) -> anyhow::Result<()> {
        wait::until(wait::START_WITHIN, "the end of all calls", || {
            (self.figure("now").ok()? == 0.0).then_some(())
        })?;
        self.stock.ask("/reset").map(drop)
    }
}

fn stock(workshop: &Workshop) -> anyhow::Result<Running> {
    Running::start(workshop, &workshop.node, None, "stock", |command, _| {
        command.arg(folder().join("stock.js"));
    })?
    .when_it_answers()
}

/// Answers as fast as it can.
pub(super) fn service(workshop: &Workshop, cpu: Option<usize>) -> anyhow::Result<Running> {
    Running::start(workshop, &workshop.node, cpu, "service", |command, _| {
        command.arg(app("hello.js"));
    })?
    .when_it_answers()
}

/// What is told of the one service that is called.
pub(super) fn downstream(running: &Running) -> Option<Value> {
    running.status()?.get("downstreams")?.as_array()?.first().cloned()
}

pub(super) fn workers(running: &Running) -> Vec<Pid> {
    let status = running.status().unwrap_or_default();
    let workers = status.get("workers").and_then(Value::as_array).into_iter().flatten();
    let pids = workers.filter_map(|worker| worker.get("pid")?.as_i64());
    pids.filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).collect()
}

fn folder() -> PathBuf {
    root().join("examples/downstream")
}

pub(super) fn install_example() -> anyhow::Result<()> {
    npm_packages_of(&folder())
}
