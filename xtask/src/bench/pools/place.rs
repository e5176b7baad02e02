//! Who runs meanwhile: the database, and apps behind Plimsoll.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::super::child::Child;
use super::super::running::Running;
use super::super::wait;
use super::super::workshop::{Workshop, free_port};
use crate::process::root;

pub(in super::super) fn shop() -> PathBuf {
    root().join("examples/shop")
}

/// PostgreSQL as `examples/shop/database.js` starts it.
pub(in super::super) struct Database {
    port: u16,
    directory: PathBuf,
    child: Child,
}

impl Database {
    pub(in super::super) fn start(workshop: &Workshop, max_connections: u32) -> anyhow::Result<Self> {
        let port = free_port()?;
        // It runs as a user of its own, which must get there.
        let directory = std::env::temp_dir().join(format!("plimsoll-db-{port}"));
        std::fs::create_dir(&directory)?;
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o711))?;
        let log = workshop.log("database");
        let child = Child::start(&workshop.node, None, &log, |command| {
            command.arg(shop().join("database.js")).env("PORT", port.to_string());
            command.env("DATABASE_DIR", &directory).env("MAX_CONNECTIONS", max_connections.to_string());
        })?;
        let is_ready = || std::fs::read_to_string(&log).ok().filter(|text| text.contains("ready: "));
        wait::until(wait::START_WITHIN, "the database", is_ready)
            .context("is PostgreSQL installed? hint: apt-get install postgresql")?;
        Ok(Self { port, directory, child })
    }

    pub(super) fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What tells an app where it is.
    pub(in super::super) fn env(&self) -> Vec<(&'static str, String)> {
        let fixed = [("PGHOST", "127.0.0.1"), ("PGUSER", "shop"), ("PGDATABASE", "shop")];
        let mut env: Vec<_> = fixed.map(|(name, value)| (name, value.to_owned())).into();
        env.push(("PGPORT", self.port.to_string()));
        env
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Asked to, it ends its server as well.
        self.child.signal(rustix::process::Signal::TERM);
        let _ended_late = self.child.wait(wait::START_WITHIN, "the end of the database");
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// What to run.
pub(super) struct App<'a> {
    pub(super) name: &'static str,
    pub(super) script: PathBuf,
    pub(super) workers: u16,
    pub(super) pool: u32,
    /// The file of settings.
    pub(super) settings: &'a str,
    pub(super) database: Option<&'a Database>,
    pub(super) env: Vec<(&'static str, PathBuf)>,
}

/// Behind Plimsoll.
pub(super) fn start(workshop: &Workshop, program: &Path, app: &App<'_>) -> anyhow::Result<Running> {
    let settings = workshop.directory.join(format!("{}.toml", app.name));
    std::fs::write(&settings, app.settings)?;
    let running = Running::start(workshop, program, None, app.name, |command, admin| {
        let instance = format!("bench-{}", app.name);
        command.args(["run", "--name", &instance, "--workers", &app.workers.to_string(), "--admin", admin]);
        command.arg("--config").arg(&settings).arg("--").arg(&workshop.node).arg(&app.script);
        command.env("LOG_LEVEL", "error").env("POOL_MAX", app.pool.to_string());
        command.env("SHOP", shop().join("server.js"));
        command.envs(app.env.iter().map(|(name, value)| (name, value)));
        if let Some(database) = app.database {
            command.envs(database.env());
        }
    })?;
    running.wait_for_workers(app.workers)?;
    Ok(running)
}

/// What is told of the first pool.
pub(super) fn first_pool(running: &Running) -> Option<Value> {
    running.status()?.get("pools")?.as_array()?.first().cloned()
}
