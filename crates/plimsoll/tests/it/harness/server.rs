//! A running app.

use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output as Finished, Stdio};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::children::{alive, descendants, signal, status_bytes};
use super::client::{Client, get, get_json};
use super::launch::{instance, plimsoll};
use super::output::Output;
use super::response::Response;
use super::terminal::Terminal;
use super::wait::until;

#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) app: u16,
    pub(super) admin: Option<u16>,
}

/// A process under test, with everything that hangs on it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    ports: Ports,
    stdout: Output,
    stderr: Output,
    directory: TempDir,
}

impl Server {
    pub(super) fn new(mut child: Child, ports: Ports, directory: TempDir) -> Self {
        let stdout = Output::collect(child.stdout.take().unwrap());
        let stderr = Output::collect(child.stderr.take().unwrap());
        Self { child, ports, stdout, stderr, directory }
    }

    /// What `PORT` said.
    pub(crate) fn port(&self) -> u16 {
        self.ports.app
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Resident memory of the process itself, without its workers.
    pub(crate) fn resident_bytes(&self) -> u64 {
        status_bytes(self.pid(), "VmRSS:")
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect((Ipv4Addr::LOCALHOST, self.port()))
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        get(self.port(), target)
    }

    pub(crate) fn get_json(&self, target: &str) -> Value {
        get_json(self.port(), target)
    }

    pub(crate) fn admin_port(&self) -> u16 {
        self.ports.admin.expect("this run has an admin address")
    }

    pub(crate) fn admin(&self, target: &str) -> Response {
        get(self.admin_port(), target)
    }

    pub(crate) fn findings(&self) -> Value {
        get_json(self.admin_port(), "/findings")
    }

    pub(crate) fn status(&self) -> Value {
        get_json(self.admin_port(), "/status")
    }

    /// Process ids of the workers that are ready, in their order, once there are `count` of them.
    pub(crate) fn workers(&self, count: usize) -> Vec<u32> {
        until(&format!("{count} workers are ready"), || {
            let status = self.status();
            let ready: Vec<u32> = status["workers"].as_array()?.iter().filter_map(ready_pid).collect();
            (ready.len() == count).then_some(ready)
        })
    }

    /// Runs a verb against this instance: `plimsoll ps --name … --json`.
    pub(crate) fn plimsoll(&self, arguments: &[&str]) -> Finished {
        self.verb(arguments).output().unwrap()
    }

    /// Runs a verb in a terminal of that size.
    pub(crate) fn in_terminal(&self, arguments: &[&str], columns: u16, rows: u16) -> Terminal {
        let mut command = self.verb(arguments);
        command.env("TERM", "xterm").env_remove("NO_COLOR");
        Terminal::start(&mut command, columns, rows)
    }

    /// Begins a verb, which may be interrupted.
    pub(crate) fn spawn_plimsoll(&self, arguments: &[&str]) -> Child {
        self.verb(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn verb(&self, arguments: &[&str]) -> Command {
        let mut command = plimsoll();
        command
            .args(arguments)
            .args(["--name", &instance(&self.directory)])
            .env("XDG_RUNTIME_DIR", self.directory().join("run"))
            .env("TMPDIR", self.directory());
        command
    }

    pub(crate) fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// As a person who has run out of patience: signals until it is gone. One signal that follows the first too closely
    /// counts for nothing.
    pub(crate) fn signal_until_exit(&mut self, which: Signal) {
        until("the process is gone", || {
            self.signal(which);
            self.has_exited()
        });
    }

    pub(crate) fn wait_for_stdout(&self, text: &str) {
        until(&format!("stdout says {text:?}"), || self.stdout().contains(text).then_some(()));
    }

    pub(crate) fn wait_for_stderr(&self, text: &str) {
        until(&format!("stderr says {text:?}"), || self.stderr().contains(text).then_some(()));
    }

    pub(crate) fn has_exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the exit; the code, or minus the signal.
    pub(crate) fn exit_code(&mut self) -> i32 {
        let status = until("the process exits", || self.child.try_wait().unwrap());
        self.stdout.finish();
        self.stderr.finish();
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }

    /// Whether the port accepts and the admin, if any, says ready; `false` if the process ended before.
    pub(super) fn becomes_ready(&mut self) -> bool {
        until("the app listens", || {
            if self.has_exited().is_some() {
                return Some(false);
            }
            let accepts = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).is_ok()
                || TcpStream::connect(("::1", self.port())).is_ok();
            let ready =
                accepts && self.ports.admin.is_none_or(|port| Client::try_get(port, "/readyz") == Some(200));
            ready.then_some(true)
        })
    }
}

fn ready_pid(worker: &Value) -> Option<u32> {
    (worker["state"] == "ready").then(|| u32::try_from(worker["pid"].as_u64().unwrap()).unwrap())
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // Workers have process groups of their own: they are found before their parent is killed.
            let below = descendants(self.pid());
            let _ = self.child.kill();
            let _ = self.child.wait();
            for pid in below.into_iter().filter(|&pid| alive(pid)) {
                signal(pid, Signal::KILL);
            }
        }
        if thread::panicking() {
            eprintln!("--- stdout of {}\n{}", self.pid(), self.stdout.text());
            eprintln!("--- stderr of {}\n{}", self.pid(), self.stderr.text());
        }
    }
}
