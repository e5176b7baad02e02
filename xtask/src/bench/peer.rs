//! Those who keep an app running and can renew it, each in the way its manual says.

mod family;
mod watt;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid as RawPid, Signal, kill_process};

use crate::bench::child::Child;
use crate::bench::client::{self, Address};
use crate::bench::field::plimsoll;
use crate::bench::procfs::Pid;
use crate::bench::workshop::{Workshop, app, free_port};
use crate::bench::{Common, machine, wait};
use crate::nodes;
use crate::process::{command, output, root, run};

const NODE_OF_WATT: u32 = 24;
/// As in `bench/peers/cluster.js`.
const GRACE: Duration = Duration::from_secs(5);
const ROLL_WITHIN: Duration = Duration::from_secs(60);
const NGINX_CONFIG: &str = include_str!("../../../bench/peers/nginx-apps.conf");

pub(crate) use self::family::Used;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// One process, and nobody who looks after it.
    Node,
    /// Processes behind nginx, stopped and started one after the other.
    Nginx,
    Cluster,
    Pm2,
    Watt,
    Plimsoll,
}

impl Peer {
    /// Those that renew the app.
    pub(crate) const ALL: [Self; 5] = [Self::Nginx, Self::Cluster, Self::Pm2, Self::Watt, Self::Plimsoll];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Nginx => "nginx + node",
            Self::Cluster => "node:cluster",
            Self::Pm2 => "PM2",
            Self::Watt => "Watt",
            Self::Plimsoll => "Plimsoll",
        }
    }

    /// Its workers are processes that it replaces when they die.
    pub(crate) fn replaces_processes(self) -> bool {
        matches!(self, Self::Cluster | Self::Pm2 | Self::Plimsoll)
    }
}

/// Where the programs are.
pub(crate) struct Programs {
    pub(crate) plimsoll: PathBuf,
    pub(crate) nginx: PathBuf,
    /// `bench/peers/node_modules/.bin`.
    pub(crate) packages: PathBuf,
    /// Watt needs a newer Node than others.
    pub(crate) node_of_watt: PathBuf,
}

impl Programs {
    /// All of them; absent ones are installed.
    pub(crate) fn gather(common: &Common) -> anyhow::Result<Self> {
        Ok(Self {
            plimsoll: plimsoll(common)?,
            nginx: machine::find_or_install("nginx", "nginx-light")?,
            packages: packages()?,
            node_of_watt: nodes::install(NODE_OF_WATT)?.binary,
        })
    }

    /// Plimsoll and nobody else.
    pub(crate) fn of_plimsoll(common: &Common) -> anyhow::Result<Self> {
        Ok(Self {
            plimsoll: plimsoll(common)?,
            nginx: PathBuf::new(),
            packages: PathBuf::new(),
            node_of_watt: PathBuf::new(),
        })
    }

    pub(crate) fn versions(&self, workshop: &Workshop) -> Vec<(&'static str, String)> {
        vec![
            ("node", workshop.version_of_node()),
            ("plimsoll", machine::version(&self.plimsoll, "version")),
            ("nginx", machine::version(&self.nginx, "-v")),
            ("pm2", package_version("pm2")),
            ("watt", package_version("wattpm")),
            ("node of watt", machine::version(&self.node_of_watt, "--version")),
        ]
    }
}

/// Installs PM2 and Watt; gives where their programs are.
pub(crate) fn packages() -> anyhow::Result<PathBuf> {
    let peers = root().join("bench/peers");
    let mut npm = command("npm", &["install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]);
    npm.current_dir(&peers);
    run(npm)?;
    Ok(peers.join("node_modules/.bin"))
}

fn package_version(name: &str) -> String {
    let file = root().join("bench/peers/node_modules").join(name).join("package.json");
    let text = fs::read_to_string(file).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    package.get("version").and_then(serde_json::Value::as_str).unwrap_or("unknown").to_owned()
}

/// What a run needs beside the peer.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// The app, which knows of nobody.
    pub(crate) script: PathBuf,
    pub(crate) workers: usize,
    pub(crate) ledger: Option<PathBuf>,
    /// What the app finds in its environment.
    pub(crate) env: Vec<(&'static str, String)>,
    /// Settings of Plimsoll, as variables.
    pub(crate) settings: Vec<(&'static str, &'static str)>,
    /// Settings of Plimsoll, as a file.
    pub(crate) file: String,
    /// The app has no agent and is reached by this port of its own, where Plimsoll is the peer.
    pub(crate) own_port: Option<u16>,
    /// Words in front of Plimsoll's own command, as `prlimit` and its options.
    pub(crate) under: Vec<&'static str>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            script: app("shop.js"),
            workers: 1,
            ledger: None,
            env: Vec::new(),
            settings: Vec::new(),
            file: String::new(),
            own_port: None,
            under: Vec::new(),
        }
    }
}

/// A peer that serves. Ends with it.
pub(crate) struct Serving<'a> {
    peer: Peer,
    workshop: &'a Workshop,
    programs: &'a Programs,
    setup: Setup,
    pub(crate) port: u16,
    directory: PathBuf,
    pub(crate) main: Option<Child>,
    /// Processes of the app that nobody but us looks after.
    apps: Vec<Child>,
    renewals: usize,
    /// Where Plimsoll tells of itself.
    pub(crate) admin: u16,
    /// From the start of the first process to the first answer.
    pub(crate) started: Duration,
}

impl<'a> Serving<'a> {
    pub(crate) fn start(
        peer: Peer,
        workshop: &'a Workshop,
        programs: &'a Programs,
        setup: &Setup,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let directory = workshop.directory.join(port.to_string());
        fs::create_dir_all(&directory)?;
        let setup = setup.clone();
        let mut serving = Self {
            peer,
            workshop,
            programs,
            setup,
            port,
            directory,
            main: None,
            apps: Vec::new(),
            renewals: 0,
            admin: free_port()?,
            started: Duration::ZERO,
        };
        serving.launch().with_context(|| {
            let said = fs::read_to_string(serving.directory.join("main.log")).unwrap_or_default();
            format!("{} did not start; it said: {}", peer.name(), said.lines().last().unwrap_or("nothing"))
        })?;
        Ok(serving)
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let node = self.workshop.node.clone();
        let script = self.setup.script.clone();
        let begun = Instant::now();
        match self.peer {
            Peer::Node => self.spawn(&node, |command| {
                command.arg(script);
            })?,
            Peer::Nginx => {
                self.apps = (0..self.setup.workers).map(|index| self.app(index)).collect::<Result<_, _>>()?;
                let config = self.directory.join("nginx.conf");
                fs::write(&config, self.nginx_config())?;
                let directory = self.directory.clone();
                self.spawn(&self.programs.nginx, |command| {
                    command.arg("-p").arg(directory).args(["-e", "stderr", "-c"]).arg(config);
                })?;
            }
            Peer::Cluster => self.spawn(&node, |command| {
                command.arg(root().join("bench/peers/cluster.js")).arg(script);
            })?,
            Peer::Pm2 => {
                let workers = self.setup.workers.to_string();
                let script = script.to_string_lossy().into_owned();
                self.pm2(&["start", &script, "--name", "shop", "--instances", &workers])?;
            }
            Peer::Watt => {
                let directory = self.directory.clone();
                watt::write_project(&directory, self.port, &self.setup, self.programs)?;
                self.spawn(&self.programs.packages.join("wattpm"), |command| {
                    command.arg("start").current_dir(directory);
                })?;
            }
            Peer::Plimsoll => {
                let workers = self.setup.workers.to_string();
                let name = format!("bench-{}", self.port);
                let admin = format!("127.0.0.1:{}", self.admin);
                let Setup { settings, own_port, under, .. } = self.setup.clone();
                let public = format!("127.0.0.1:{}", self.port);
                fs::write(self.directory.join("plimsoll.toml"), &self.setup.file)?;
                let words = under.iter().map(PathBuf::from).chain([self.programs.plimsoll.clone()]);
                let words: Vec<PathBuf> = words.collect();
                let (first, rest) = words.split_first().context("there is no command")?;
                self.spawn(first, |command| {
                    command.args(rest);
                    command.args(["run", "--workers", &workers, "--name", &name, "--admin", &admin]);
                    if let Some(own) = own_port {
                        command.args(["--no-agent", "--listen", &public]).env("PORT", own.to_string());
                    }
                    command.arg("--").arg(node).arg(script).envs(settings);
                })?;
            }
        }
        let address = Address::port(self.port);
        wait::until(wait::START_WITHIN, "the first answer", || client::get(&address, "/").ok()).map(drop)?;
        self.started = begun.elapsed();
        if self.peer.replaces_processes() {
            let wanted = self.setup.workers;
            wait::until(wait::START_WITHIN, "all workers", || {
                (self.workers().len() == wanted).then_some(())
            })?;
        }
        Ok(())
    }

    fn spawn(&mut self, program: &Path, configure: impl FnOnce(&mut Command)) -> anyhow::Result<()> {
        let log = self.directory.join("main.log");
        let child = Child::start(program, None, &log, |command| {
            self.environment(command);
            command.current_dir(&self.directory);
            configure(command);
        })?;
        self.main = Some(child);
        Ok(())
    }

    fn environment(&self, command: &mut Command) {
        command.env("PORT", self.port.to_string()).env("WORKERS", self.setup.workers.to_string());
        command
            .env_remove("NODE_OPTIONS")
            .env("PATH", self.path())
            .env("PM2_HOME", self.directory.join("pm2"));
        command.envs(self.setup.ledger.iter().map(|ledger| ("LEDGER", ledger)));
        command.envs(self.setup.env.iter().map(|(name, value)| (name, value)));
    }

    /// The measured Node first: PM2 and Watt start the `node` that they find.
    fn path(&self) -> std::ffi::OsString {
        let node = match self.peer {
            Peer::Watt => &self.programs.node_of_watt,
            _ => &self.workshop.node,
        };
        let first = node.parent().map(Path::to_path_buf);
        let rest = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(first.into_iter().chain(std::env::split_paths(&rest))).unwrap_or(rest)
    }

    /// One of the processes behind nginx, once it listens.
    fn app(&self, index: usize) -> anyhow::Result<Child> {
        let socket = self.directory.join(format!("app.sock.{index}"));
        let _none_left = fs::remove_file(&socket);
        let log = self.directory.join(format!("app-{index}.log"));
        let child = Child::start(&self.workshop.node, None, &log, |command| {
            self.environment(command);
            command.arg(&self.setup.script).env("PORT", &socket);
        })?;
        let address = Address::path(&socket);
        wait::until(wait::START_WITHIN, "the app", || client::get(&address, "/").ok())?;
        Ok(child)
    }

    fn nginx_config(&self) -> String {
        let socket = self.directory.join("app.sock");
        let server = |index| format!("server unix:{}.{index} max_fails=0;", socket.display());
        let servers: Vec<String> = (0..self.setup.workers).map(server).collect();
        NGINX_CONFIG
            .replace("@SERVERS@", &servers.join("\n        "))
            .replace("@PORT@", &self.port.to_string())
            .replace("@DIR@", &self.directory.to_string_lossy())
            .replace("@NOFILE@", &self.workshop.files_max.to_string())
            .replace("@CONNECTIONS@", "8192")
    }

    fn tool(&self, program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(program);
        self.environment(&mut command);
        command.args(arguments).current_dir(&self.directory);
        output(command)
    }

    fn pm2(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.tool(&self.programs.packages.join("pm2"), arguments)
    }

    /// The app is renewed, and it is over when this returns.
    pub(crate) fn renew(&mut self) -> anyhow::Result<()> {
        self.renewals += 1;
        match self.peer {
            Peer::Node => bail!("nobody renews a plain process"),
            Peer::Nginx => {
                for index in 0..self.setup.workers {
                    let mut old = self.apps.remove(0);
                    old.signal(Signal::TERM);
                    // nginx goes on using the connections that it has; whoever runs services kills in the end.
                    if old.wait(GRACE, "the end of the old process").is_err() {
                        old.signal(Signal::KILL);
                        old.wait(ROLL_WITHIN, "the end of the old process")?;
                    }
                    self.apps.push(self.app(index)?);
                }
                Ok(())
            }
            Peer::Cluster => {
                self.signal_main(Signal::HUP);
                let log = self.directory.join("main.log");
                wait::until(ROLL_WITHIN, "the rolling restart", || {
                    let text = fs::read_to_string(&log).ok()?;
                    (text.matches("rolled").count() == self.renewals).then_some(())
                })
            }
            Peer::Pm2 => self.pm2(&["reload", "shop"]).map(drop),
            // Without an id: there is one instance on this machine.
            Peer::Watt => self.tool(&self.programs.packages.join("wattpm"), &["restart"]).map(drop),
            Peer::Plimsoll => {
                let name = format!("bench-{}", self.port);
                self.tool(&self.programs.plimsoll, &["reload", "--name", &name]).map(drop)
            }
        }
    }

    /// What Plimsoll knows of loops that stood still, and of requests that waited for them.
    pub(crate) fn incidents(&self) -> Option<serde_json::Value> {
        let name = format!("bench-{}", self.port);
        let told = self.tool(&self.programs.plimsoll, &["incidents", "--json", "--name", &name]).ok()?;
        serde_json::from_str(&told).ok().filter(|_| self.is_plimsoll())
    }

    /// How much the main process and its workers have printed.
    pub(crate) fn output_lines(&self) -> usize {
        let text = fs::read(self.directory.join("main.log")).unwrap_or_default();
        text.iter().filter(|byte| **byte == b'\n').count()
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> anyhow::Result<Pid> {
        self.main.as_ref().map(Child::pid).context("it has no process of its own")
    }

    pub(crate) fn is_plimsoll(&self) -> bool {
        self.peer == Peer::Plimsoll
    }

    pub(crate) fn signal_main(&self, signal: Signal) {
        if let Some(main) = &self.main {
            main.signal(signal);
        }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if self.peer == Peer::Pm2 {
            // Its daemon is nobody's child.
            let _ = self.pm2(&["kill"]);
        }
    }
}

pub(crate) fn signal(pid: Pid, signal: Signal) -> anyhow::Result<()> {
    match i32::try_from(pid).ok().and_then(RawPid::from_raw) {
        Some(pid) => Ok(kill_process(pid, signal)?),
        None => bail!("{pid} is not the number of a process"),
    }
}
