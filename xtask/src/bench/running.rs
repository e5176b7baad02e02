//! A process that listens, with or without Plimsoll in front of it, and what can be asked of it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::child::Child;
use super::client::{self, Address};
use super::wait;
use super::workshop::{Workshop, free_port};

pub(super) struct Running {
    pub(super) port: u16,
    admin: u16,
    child: Child,
}

impl Running {
    /// Starts `program` in the workshop's folder. `PORT` says where it is to listen; `configure` is given the admin address that is
    /// meant for it.
    pub(super) fn start(
        workshop: &Workshop,
        program: &Path,
        cpu: Option<usize>,
        name: &str,
        configure: impl FnOnce(&mut Command, &str),
    ) -> anyhow::Result<Self> {
        let (port, admin) = (free_port()?, free_port()?);
        let child = Child::start(program, cpu, &workshop.log(name), |command| {
            command.current_dir(&workshop.directory).env_remove("NODE_OPTIONS").env("PORT", port.to_string());
            configure(command, &format!("127.0.0.1:{admin}"));
        })?;
        Ok(Self { port, admin, child })
    }

    pub(super) fn when_it_answers(self) -> anyhow::Result<Self> {
        self.when_it_answers_at("/")
    }

    pub(super) fn when_it_answers_at(self, path: &str) -> anyhow::Result<Self> {
        wait::until(wait::START_WITHIN, "the first answer", || self.ask(path).ok())?;
        Ok(self)
    }

    /// The port that it was told to have its admin address at.
    pub(super) fn admin(&self) -> u16 {
        self.admin
    }

    pub(super) fn pid(&self) -> super::procfs::Pid {
        self.child.pid()
    }

    pub(super) fn ask(&self, path: &str) -> anyhow::Result<String> {
        client::get(&Address::port(self.port), path)
    }

    pub(super) fn status(&self) -> Option<Value> {
        serde_json::from_str(&client::get(&Address::port(self.admin), "/status").ok()?).ok()
    }

    pub(super) fn wait_for_workers(&self, count: u16) -> anyhow::Result<()> {
        wait::until(wait::START_WITHIN, "all workers", || {
            let status = self.status()?;
            let workers = status.get("workers")?.as_array()?.iter();
            let ready = workers.filter(|worker| worker["state"] == "ready").count();
            (ready == usize::from(count)).then_some(())
        })
    }
}
