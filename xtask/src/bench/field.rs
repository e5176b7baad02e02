//! Who takes part, and where their programs are.

use std::path::PathBuf;

use anyhow::Context as _;

use super::contender::{Contender, Kind};
use super::only::Only;
use super::workshop::{Workshop, build_plimsoll};
use super::{Common, machine};

pub(super) const NGINX: &str = "nginx";
/// nginx under another name: what differs between the two is noise.
pub(super) const NGINX_AGAIN: &str = "nginx again";
pub(super) const PLIMSOLL: &str = "plimsoll";

/// Who can take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Proxy {
    /// None: clients come to the app.
    Node,
    Nginx,
    Haproxy,
    Plimsoll,
}

pub(super) struct Field {
    pub(super) contenders: Vec<Contender>,
}

impl Field {
    /// All who take part; absent programs are installed.
    pub(super) fn gather(common: &Common, only: &Only<Proxy>) -> anyhow::Result<Self> {
        let mut contenders = Vec::new();
        let mut add = |name: &'static str, kind: Kind| contenders.push(Contender { name, kind });
        if only.wants(Proxy::Node) {
            add("node", Kind::Node);
        }
        if only.wants(Proxy::Nginx) {
            let nginx = machine::find_or_install("nginx", "nginx-light")?;
            add(NGINX, Kind::Nginx(nginx.clone()));
            add(NGINX_AGAIN, Kind::Nginx(nginx));
        }
        if only.wants(Proxy::Haproxy) {
            add("haproxy", Kind::Haproxy(machine::find_or_install("haproxy", "haproxy")?));
        }
        if only.wants(Proxy::Plimsoll) {
            add(PLIMSOLL, Kind::Plimsoll(plimsoll(common)?));
        }
        Ok(Self { contenders })
    }

    pub(super) fn versions(&self, workshop: &Workshop) -> Vec<(&'static str, String)> {
        let mut versions = vec![("node", workshop.version_of_node())];
        for contender in self.contenders.iter().filter(|contender| contender.name != NGINX_AGAIN) {
            let (program, flag) = match &contender.kind {
                Kind::Nginx(program) | Kind::Haproxy(program) => (program, "-v"),
                Kind::Plimsoll(program) => (program, "version"),
                Kind::Node => continue,
            };
            versions.push((contender.name, machine::version(program, flag)));
        }
        versions
    }
}

/// The program that was named, else this checkout's.
pub(super) fn plimsoll(common: &Common) -> anyhow::Result<PathBuf> {
    match &common.plimsoll {
        // It is started in another directory.
        Some(path) => path.canonicalize().with_context(|| format!("{} is not there", path.display())),
        None => build_plimsoll(),
    }
}
