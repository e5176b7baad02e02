//! Those who are compared, and the proof that they do the same work.

mod place;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use self::place::Place;
use super::child::Child;
use super::client::{self, Address};
use super::procfs::Pid;
use super::workshop::Workshop;

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
pub(super) struct Answering {
    pub(super) port: u16,
    pub(super) proxy: Vec<Pid>,
    pub(super) worker: Pid,
    /// In this order they are ended: the proxy first, so that it does not see its worker die.
    _children: Vec<Child>,
}

impl Answering {
    /// The processes whose memory is of interest: the proxy, or where there is none the app.
    pub(super) fn measured(&self) -> Vec<Pid> {
        if self.proxy.is_empty() { vec![self.worker] } else { self.proxy.clone() }
    }
}

impl Contender {
    pub(super) fn start(&self, workshop: &Workshop, app: &App) -> anyhow::Result<Answering> {
        let place = Place::new(workshop, app)?;
        let running = match &self.kind {
            Kind::Node => place.node(),
            Kind::Nginx(program) => place.nginx(program),
            Kind::Haproxy(program) => place.haproxy(program),
            Kind::Plimsoll(program) => place.plimsoll(program),
        };
        running.with_context(|| format!("{} did not start", self.name))
    }

    /// Proves that the contender does the work it is compared for: the app must see the client's own address.
    pub(super) fn check_address(&self, running: &Answering) -> anyhow::Result<()> {
        let client = Ipv4Addr::new(127, 0, 0, 7);
        let seen = client::get(&Address::Tcp { port: running.port, source: client }, "/who")?;
        if seen != client.to_string() {
            bail!("behind {} the app sees {seen} where the client is {client}", self.name);
        }
        Ok(())
    }

    /// Proves that links to the worker were kept: the app counts what it accepted, and that may not be more than
    /// there were clients.
    pub(super) fn check_links(&self, running: &Answering, clients: u32) -> anyhow::Result<()> {
        let accepted: u32 = client::get(&Address::port(running.port), "/connections")?.parse()?;
        if accepted > clients && !running.proxy.is_empty() {
            bail!("{} opened {accepted} connections to the worker for {clients} clients", self.name);
        }
        Ok(())
    }
}
