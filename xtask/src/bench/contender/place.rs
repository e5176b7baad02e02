//! How each contender is started in front of the same app, and which of its processes do what.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::super::child::Child;
use super::super::client::{self, Address};
use super::super::procfs;
use super::super::wait;
use super::super::workshop::{Workshop, free_port};
use super::{Answering, App};

const NGINX_CONFIG: &str = include_str!("../../../../bench/peers/nginx.conf");
const HAPROXY_CONFIG: &str = include_str!("../../../../bench/peers/haproxy.cfg");

/// A port, and a directory for all files of whoever is started there.
pub(super) struct Place<'a> {
    workshop: &'a Workshop,
    app: &'a App,
    port: u16,
    directory: PathBuf,
}

impl<'a> Place<'a> {
    pub(super) fn new(workshop: &'a Workshop, app: &'a App) -> anyhow::Result<Self> {
        let port = free_port()?;
        let directory = workshop.directory.join(port.to_string());
        fs::create_dir_all(&directory)?;
        Ok(Self { workshop, app, port, directory })
    }

    pub(super) fn node(&self) -> anyhow::Result<Answering> {
        let child =
            self.run_app(self.workshop.placement.without_proxy(), &self.port.to_string(), &self.address())?;
        Ok(self.running(Vec::new(), child.pid(), vec![child]))
    }

    pub(super) fn nginx(&self, program: &Path) -> anyhow::Result<Answering> {
        let config = self.configure(NGINX_CONFIG, "nginx.conf")?;
        self.peer(
            program,
            &["-p".as_ref(), &self.directory, "-e".as_ref(), "stderr".as_ref(), "-c".as_ref(), &config],
        )
    }

    pub(super) fn haproxy(&self, program: &Path) -> anyhow::Result<Answering> {
        let config = self.configure(HAPROXY_CONFIG, "haproxy.cfg")?;
        self.peer(program, &["-f".as_ref(), &config])
    }

    pub(super) fn plimsoll(&self, program: &Path) -> anyhow::Result<Answering> {
        let workshop = self.workshop;
        let admin = format!("127.0.0.1:{}", free_port()?);
        let mut child = Child::start(program, workshop.placement.proxy, &self.log("proxy"), |command| {
            command.args(["run", "--workers", "1", "--gateway-threads", "1", "--name", "bench"]);
            command.args(["--admin", &admin, "--"]);
            if let Some(cpu) = workshop.placement.worker {
                command.args(["taskset", "-c", &cpu.to_string()]);
            }
            command.arg(&workshop.node).arg(&self.app.script).env("PORT", self.port.to_string());
            command.envs(self.app.env.iter().cloned());
            // No settings file of the checkout's.
            command.current_dir(&self.directory);
        })?;
        wait_for(&mut child, &self.address(), &self.log("proxy"))?;
        let worker = procfs::descendants(child.pid())
            .into_iter()
            .find(|pid| procfs::runs(*pid, &workshop.node))
            .context("no worker is below plimsoll")?;
        Ok(self.running(vec![child.pid()], worker, vec![child]))
    }

    /// The app on a Unix socket, and a proxy in front of it.
    fn peer(&self, program: &Path, args: &[&Path]) -> anyhow::Result<Answering> {
        let placement = self.workshop.placement;
        let socket = self.socket();
        let worker = self.run_app(placement.worker, &socket.to_string_lossy(), &Address::path(&socket))?;
        let mut proxy = Child::start(program, placement.proxy, &self.log("proxy"), |command| {
            command.args(args);
        })?;
        wait_for(&mut proxy, &self.address(), &self.log("proxy"))?;
        let pids = [vec![proxy.pid()], procfs::descendants(proxy.pid())].concat();
        Ok(self.running(pids, worker.pid(), vec![proxy, worker]))
    }

    fn run_app(&self, cpu: Option<usize>, listen: &str, address: &Address) -> anyhow::Result<Child> {
        let mut child = Child::start(&self.workshop.node, cpu, &self.log("app"), |command| {
            command.arg(&self.app.script).env("PORT", listen).env_remove("NODE_OPTIONS");
            command.envs(self.app.env.iter().cloned());
        })?;
        wait_for(&mut child, address, &self.log("app"))?;
        Ok(child)
    }

    fn configure(&self, template: &str, name: &str) -> anyhow::Result<PathBuf> {
        let files_max = self.workshop.files_max;
        // Idle clients hold no link to the worker; what the loaded ones and the proxy itself need is left over.
        let connections = files_max.saturating_sub(400).min(20_000);
        let text = template
            .replace("@PORT@", &self.port.to_string())
            .replace("@SOCKET@", &self.socket().to_string_lossy())
            .replace("@DIR@", &self.directory.to_string_lossy())
            .replace("@NOFILE@", &files_max.to_string())
            .replace("@CONNECTIONS@", &connections.to_string());
        let path = self.directory.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    fn running(&self, proxy: Vec<procfs::Pid>, worker: procfs::Pid, children: Vec<Child>) -> Answering {
        Answering { port: self.port, proxy, worker, _children: children }
    }

    fn address(&self) -> Address {
        Address::port(self.port)
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("app.sock")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }
}

fn wait_for(child: &mut Child, address: &Address, log: &Path) -> anyhow::Result<()> {
    let ended = wait::until(wait::START_WITHIN, "the first answer", || {
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
