//! Those who are compared: how each is started in front of the same app, and which of its processes do what.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::child::Child;
use super::client::{self, Address};
use super::procfs::{self, Pid};
use super::wait;
use super::workshop::{Workshop, free_port};

const START_WITHIN: Duration = Duration::from_secs(20);
const NGINX_CONFIG: &str = include_str!("../../../bench/peers/nginx.conf");
const HAPROXY_CONFIG: &str = include_str!("../../../bench/peers/haproxy.cfg");

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// No proxy: the app listens on TCP itself.
    Node,
    Nginx(PathBuf),
    Haproxy(PathBuf),
    Plimsoll(PathBuf),
}

#[derive(Debug, Clone)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// The app that all contenders serve.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) script: PathBuf,
    pub(super) env: Vec<(&'static str, String)>,
}

/// A contender that answers. Ends with it.
pub(super) struct Running {
    pub(super) port: u16,
    pub(super) proxy: Vec<Pid>,
    pub(super) worker: Pid,
    /// In this order they are ended: the proxy first, so that it does not see its worker die.
    _children: Vec<Child>,
}

impl Running {
    /// The processes whose memory is of interest: the proxy, or where there is none the app.
    pub(super) fn measured(&self) -> Vec<Pid> {
        if self.proxy.is_empty() { vec![self.worker] } else { self.proxy.clone() }
    }
}

impl Contender {
    pub(super) fn start(&self, workshop: &Workshop, app: &App) -> anyhow::Result<Running> {
        let port = free_port()?;
        let running = match &self.kind {
            Kind::Node => start_node(workshop, app, port),
            Kind::Nginx(program) => {
                start_peer(workshop, app, port, |socket| nginx(workshop, program, port, socket))
            }
            Kind::Haproxy(program) => {
                start_peer(workshop, app, port, |socket| haproxy(workshop, program, port, socket))
            }
            Kind::Plimsoll(program) => start_plimsoll(workshop, app, program, port),
        };
        running.with_context(|| format!("{} did not start", self.name))
    }

    /// Proves that the contender does the work it is compared for: the app must see the client's own address.
    pub(super) fn check_address(&self, running: &Running) -> anyhow::Result<()> {
        let client = Ipv4Addr::new(127, 0, 0, 7);
        let seen = client::get(&Address::Tcp { port: running.port, source: client }, "/who")?;
        if seen != client.to_string() {
            bail!("behind {} the app sees {seen} where the client is {client}", self.name);
        }
        Ok(())
    }

    /// Proves that links to the worker were kept: the app counts what it accepted.
    pub(super) fn check_links(&self, running: &Running, connections: u32) -> anyhow::Result<()> {
        let accepted: u32 = client::get(&Address::port(running.port), "/connections")?.parse()?;
        // Beside one for each client there are those of the checks.
        let expected = connections * 2 + 16;
        if accepted > expected {
            bail!("{} opened {accepted} connections to the worker for {connections} clients", self.name);
        }
        Ok(())
    }
}

fn start_node(workshop: &Workshop, app: &App, port: u16) -> anyhow::Result<Running> {
    // Without a proxy the app may have the CPU that the proxy would have had.
    let mut child = run_app(workshop, app, workshop.placement.proxy, &port.to_string())?;
    wait_for(&mut child, &Address::port(port), &workshop.log("app"))?;
    Ok(Running { port, proxy: Vec::new(), worker: child.pid(), _children: vec![child] })
}

fn start_peer(
    workshop: &Workshop,
    app: &App,
    port: u16,
    start: impl FnOnce(&Path) -> anyhow::Result<Child>,
) -> anyhow::Result<Running> {
    let socket = workshop.directory.join(format!("app-{port}.sock"));
    let mut worker = run_app(workshop, app, workshop.placement.worker, &socket.to_string_lossy())?;
    wait_for(&mut worker, &Address::path(&socket), &workshop.log("app"))?;
    let mut proxy = start(&socket)?;
    wait_for(&mut proxy, &Address::port(port), &workshop.log("proxy"))?;
    let pids = [vec![proxy.pid()], procfs::descendants(proxy.pid())].concat();
    Ok(Running { port, proxy: pids, worker: worker.pid(), _children: vec![proxy, worker] })
}

fn start_plimsoll(workshop: &Workshop, app: &App, program: &Path, port: u16) -> anyhow::Result<Running> {
    let log = workshop.log("proxy");
    let mut child = Child::start(program, workshop.placement.proxy, &log, |command| {
        command.args(["run", "--workers", "1", "--gateway-threads", "1", "--name", "bench"]);
        command.args(["--admin", &format!("127.0.0.1:{}", free_port().unwrap_or(0)), "--"]);
        if let Some(cpu) = workshop.placement.worker {
            command.args(["taskset", "-c", &cpu.to_string()]);
        }
        command.arg(&workshop.node).arg(&app.script).env("PORT", port.to_string());
        // No settings file of the checkout's.
        command.current_dir(&workshop.directory);
        command.envs(app.env.iter().cloned());
    })?;
    wait_for(&mut child, &Address::port(port), &log)?;
    let worker = procfs::descendants(child.pid())
        .into_iter()
        .find(|pid| procfs::runs(*pid, &workshop.node))
        .context("no worker is below plimsoll")?;
    Ok(Running { port, proxy: vec![child.pid()], worker, _children: vec![child] })
}

fn run_app(workshop: &Workshop, app: &App, cpu: Option<usize>, place: &str) -> anyhow::Result<Child> {
    Child::start(&workshop.node, cpu, &workshop.log("app"), |command| {
        command.arg(&app.script).env("PORT", place).env_remove("NODE_OPTIONS");
        command.envs(app.env.iter().cloned());
    })
}

fn nginx(workshop: &Workshop, program: &Path, port: u16, socket: &Path) -> anyhow::Result<Child> {
    let config = configure(workshop, NGINX_CONFIG, "nginx.conf", port, socket)?;
    let directory = workshop.directory.clone();
    Child::start(program, workshop.placement.proxy, &workshop.log("proxy"), |command: &mut Command| {
        command.arg("-p").arg(directory).arg("-c").arg(config).args(["-e", "stderr"]);
    })
}

fn haproxy(workshop: &Workshop, program: &Path, port: u16, socket: &Path) -> anyhow::Result<Child> {
    let config = configure(workshop, HAPROXY_CONFIG, "haproxy.cfg", port, socket)?;
    Child::start(program, workshop.placement.proxy, &workshop.log("proxy"), |command: &mut Command| {
        command.arg("-f").arg(config);
    })
}

fn configure(
    workshop: &Workshop,
    template: &str,
    name: &str,
    port: u16,
    socket: &Path,
) -> anyhow::Result<PathBuf> {
    // Idle clients hold no link to the worker; what the loaded ones and the proxy itself need is left over.
    let connections = workshop.files_max.saturating_sub(400).min(20_000);
    let text = template
        .replace("@PORT@", &port.to_string())
        .replace("@SOCKET@", &socket.to_string_lossy())
        .replace("@DIR@", &workshop.directory.to_string_lossy())
        .replace("@NOFILE@", &workshop.files_max.to_string())
        .replace("@CONNECTIONS@", &connections.to_string());
    let path = workshop.directory.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

fn wait_for(child: &mut Child, address: &Address, log: &Path) -> anyhow::Result<()> {
    let ended = wait::until(START_WITHIN, "the first answer", || {
        if child.has_ended() {
            return Some(true);
        }
        client::get(address, "/").is_ok().then_some(false)
    });
    match ended {
        Ok(false) => Ok(()),
        Ok(true) => bail!("it ended at once: {}", fs::read_to_string(log).unwrap_or_default().trim()),
        Err(error) => Err(error.context(fs::read_to_string(log).unwrap_or_default())),
    }
}
