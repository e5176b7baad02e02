//! How to run an app: plainly, or behind Plimsoll.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::app::{self, App};
use super::port::free_port;
use super::server::{Ports, Server};

/// A run to be started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    app: App,
    /// Options of `plimsoll run`; `None`: plain node.
    options: Option<Vec<OsString>>,
    /// What its `plimsoll.toml` says.
    settings: Option<String>,
    /// A command that starts the program it is given.
    under: Vec<String>,
    env: Vec<(String, OsString)>,
    port: Option<u16>,
    admin: Admin,
}

/// Where the admin server is to listen.
#[derive(Debug, Clone)]
enum Admin {
    OnAFreePort,
    At(String),
}

impl Launch {
    /// The app as it runs without us: the truth that Plimsoll is compared with.
    pub(crate) fn plain(app: App) -> Self {
        Self {
            app,
            options: None,
            settings: None,
            under: Vec::new(),
            env: Vec::new(),
            port: None,
            admin: Admin::At("off".into()),
        }
    }

    /// `plimsoll run -- …`, one worker.
    pub(crate) fn plimsoll(app: App) -> Self {
        Self {
            app,
            options: Some(Vec::new()),
            settings: None,
            under: Vec::new(),
            env: Vec::new(),
            port: None,
            admin: Admin::OnAFreePort,
        }
    }

    pub(crate) fn workers(self, count: u16) -> Self {
        self.option("--workers").option(count.to_string())
    }

    /// Adds a word to `plimsoll run`'s options.
    pub(crate) fn option(mut self, option: impl Into<OsString>) -> Self {
        if let Some(options) = &mut self.options {
            options.push(option.into());
        }
        self
    }

    /// Gives it a file of settings, which says this.
    pub(crate) fn settings(mut self, text: impl Into<String>) -> Self {
        self.settings = Some(text.into());
        self
    }

    /// Has Plimsoll started by another command, such as `unshare --pid`, which is then the process under test.
    pub(crate) fn under(mut self, command: &[&str]) -> Self {
        self.under = command.iter().map(ToString::to_string).collect();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The value of `PORT`, if it may not be any.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Where the admin server is to listen, or `off`; the test then cannot ask it anything.
    pub(crate) fn admin(mut self, address: &str) -> Self {
        self.admin = Admin::At(address.to_owned());
        self
    }

    /// Starts it and waits until the port accepts and, behind Plimsoll, a worker is ready.
    pub(crate) fn start(self) -> Server {
        for _ in 0..5 {
            let mut server = self.spawn();
            if server.becomes_ready() {
                return server;
            }
            // Another test process may have taken the port between the look and the app's `listen`.
            assert!(self.port.is_none() && server.stderr().contains("EADDRINUSE"), "the app did not start");
        }
        panic!("five ports in a row were taken");
    }

    /// Starts it and waits for nothing.
    pub(crate) fn spawn(&self) -> Server {
        // Short, for `sockaddr_un` holds 108 bytes.
        let directory = tempfile::Builder::new().prefix("pl").tempdir_in("/tmp").unwrap();
        let ports = Ports {
            app: self.port.unwrap_or_else(free_port),
            admin: matches!(self.admin, Admin::OnAFreePort).then(free_port),
        };
        let mut command = self.command(&directory, ports);
        let child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        Server::new(child, ports, directory)
    }

    /// Runs `plimsoll` to its end, without an instance.
    pub(crate) fn verb(arguments: &[&str]) -> Output {
        plimsoll().args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn command(&self, directory: &TempDir, ports: Ports) -> Command {
        let (folder, words) = self.app.prepare(directory.path());
        let mut command = match &self.options {
            None => Command::new(&words[0]),
            Some(options) => {
                let mut command = plimsoll_under(&self.under);
                command.arg("run").args(["--name", &instance(directory)]);
                let admin = match &self.admin {
                    Admin::OnAFreePort => format!("127.0.0.1:{}", ports.admin.unwrap_or_default()),
                    Admin::At(address) => address.clone(),
                };
                if let Some(settings) = &self.settings {
                    let file = directory.path().join("settings.toml");
                    fs::write(&file, settings).unwrap();
                    command.arg("--config").arg(file);
                }
                command.args(["--admin", &admin]).args(options).arg("--").arg(&words[0]);
                command
            }
        };
        let runtime = directory.path().join("run");
        fs::create_dir(&runtime).unwrap();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        command
            .args(&words[1..])
            .current_dir(folder)
            .env_remove("NODE_OPTIONS")
            .env_remove("WEB_CONCURRENCY")
            .env("PATH", app::path())
            .env("NODE_PATH", app::node_path())
            .env("PORT", ports.app.to_string())
            .env("XDG_RUNTIME_DIR", &runtime)
            .env("TMPDIR", directory.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }
}

/// The program, without the settings of whoever runs the tests (and without what cargo adds when it does).
pub(crate) fn plimsoll() -> Command {
    plimsoll_under(&[])
}

fn plimsoll_under(words: &[String]) -> Command {
    let program = env!("CARGO_BIN_EXE_plimsoll");
    let mut command = match words.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PLIMSOLL_")) {
        command.env_remove(name);
    }
    command
}

/// The instance's name is that of its directory, which no other test has.
pub(super) fn instance(directory: &TempDir) -> String {
    directory.path().file_name().unwrap().to_str().unwrap().to_owned()
}
