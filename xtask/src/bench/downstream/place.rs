//! The processes that take part: the example's service and shop, and the app that makes calls as fast as it can.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::process::Pid;
use serde_json::Value;

use super::super::child::Child;
use super::super::client::{self, Address};
use super::super::wait;
use super::super::workshop::{Workshop, app, free_port};
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
        let stock = Running::stock(workshop)?;
        let settings = workshop.directory.join("limit.toml");
        let limit = "mode = 'enforce'\nconcurrency = 10\nqueue = 5000\nqueue_timeout = '5m'\n";
        std::fs::write(&settings, format!("[downstream.\"127.0.0.1:{}\"]\n{limit}", stock.port))?;
        let shop = Running::start(workshop, program, None, "shop", |command, port, admin| {
            let workers = workers.to_string();
            command
                .args(["run", "--name", "bench", "--workers", &workers, "--admin", admin, "--config"])
                .arg(&settings);
            command.arg("--").arg(node).arg(folder.join("server.js")).current_dir(&folder);
            command
                .env("PORT", port.to_string())
                .env("STOCK_URL", format!("http://127.0.0.1:{}", stock.port));
        })?;
        wait::until(wait::START_WITHIN, "all workers", || {
            let status = shop.status()?;
            let ready =
                status.get("workers")?.as_array()?.iter().filter(|worker| worker["state"] == "ready").count();
            (ready == usize::from(workers)).then_some(())
        })?;
        Ok(Self { stock, shop })
    }

    /// The same on plain Node.
    pub(super) fn start_by_hand(workshop: &Workshop) -> anyhow::Result<Self> {
        let stock = Running::stock(workshop)?;
        let shop = Running::start(workshop, &workshop.node, None, "by-hand", |command, port, _| {
            command.arg(folder().join("server.js")).env("PORT", port.to_string());
            command.env("STOCK_URL", format!("http://127.0.0.1:{}", stock.port));
        })?;
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

/// A process that listens.
pub(super) struct Running {
    pub(super) port: u16,
    admin: u16,
    _child: Child,
}

impl Running {
    pub(super) fn start(
        workshop: &Workshop,
        program: &Path,
        cpu: Option<usize>,
        name: &str,
        configure: impl FnOnce(&mut std::process::Command, u16, &str),
    ) -> anyhow::Result<Self> {
        let (port, admin) = (free_port()?, free_port()?);
        let child = Child::start(program, cpu, &workshop.log(name), |command| {
            command.current_dir(&workshop.directory).env_remove("NODE_OPTIONS");
            configure(command, port, &format!("127.0.0.1:{admin}"));
        })?;
        wait::until(wait::START_WITHIN, name, || client::get(&Address::port(port), "/").ok())?;
        Ok(Self { port, admin, _child: child })
    }

    fn stock(workshop: &Workshop) -> anyhow::Result<Self> {
        Self::start(workshop, &workshop.node, None, "stock", |command, port, _| {
            command.arg(folder().join("stock.js")).env("PORT", port.to_string());
        })
    }

    /// Answers as fast as it can.
    pub(super) fn service(workshop: &Workshop, cpu: Option<usize>) -> anyhow::Result<Self> {
        Self::start(workshop, &workshop.node, cpu, "service", |command, port, _| {
            command.arg(app("hello.js")).env("PORT", port.to_string());
        })
    }

    pub(super) fn ask(&self, path: &str) -> anyhow::Result<String> {
        client::get(&Address::port(self.port), path)
    }

    pub(super) fn status(&self) -> Option<Value> {
        serde_json::from_str(&client::get(&Address::port(self.admin), "/status").ok()?).ok()
    }

    /// What is told of the one service that is called.
    pub(super) fn downstream(&self) -> Option<Value> {
        self.status()?.get("downstreams")?.as_array()?.first().cloned()
    }

    pub(super) fn workers(&self) -> Vec<Pid> {
        let status = self.status().unwrap_or_default();
        let workers = status.get("workers").and_then(Value::as_array).into_iter().flatten();
        let pids = workers.filter_map(|worker| worker.get("pid")?.as_i64());
        pids.filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).collect()
    }
}

fn folder() -> PathBuf {
    root().join("examples/downstream")
}

pub(super) fn install_example() -> anyhow::Result<()> {
    npm_packages_of(&folder())
}
