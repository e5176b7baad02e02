//! A worker that is asked directly, on the Unix socket on which the gateway would ask it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use plimsoll_wire::page;

use super::super::child::Child;
use super::super::client::{self, Address};
use super::super::contender::{Answering, App, Contender, Kind};
use super::super::procfs::Pid;
use super::super::wait;
use super::super::workshop::Workshop;

/// Flag of a listening socket (`__SO_ACCEPTCON`) in `/proc/net/unix`.
const LISTENING: &str = "00010000";

pub(super) struct Worker {
    pub(super) pid: Pid,
    pub(super) socket: PathBuf,
    /// What the worker claims its requests from; plain Node has none.
    pub(super) page: Option<Arc<File>>,
    _life: Life,
}

/// What has to be kept for the worker to live.
#[expect(dead_code, reason = "held for its Drop")]
enum Life {
    Alone(Child),
    UnderPlimsoll(Answering),
}

impl Worker {
    pub(super) fn plain(workshop: &Workshop, app: &App, name: &str) -> anyhow::Result<Self> {
        let socket = workshop.directory.join(format!("{name}.sock"));
        let _ = fs::remove_file(&socket);
        let child =
            Child::start(&workshop.node, workshop.placement.worker, &workshop.log(name), |command| {
                command.arg(&app.script).env("PORT", &socket).env_remove("NODE_OPTIONS");
            })?;
        wait::until(Duration::from_secs(20), "the first answer", || {
            client::get(&Address::path(&socket), "/").ok()
        })?;
        Ok(Self { pid: child.pid(), socket, page: None, _life: Life::Alone(child) })
    }

    pub(super) fn under_plimsoll(workshop: &Workshop, app: &App, program: &Path) -> anyhow::Result<Self> {
        let contender = Contender { name: "plimsoll", kind: Kind::Plimsoll(program.to_owned()) };
        let running = contender.start(workshop, app)?;
        let socket = listening_socket(running.worker).context("the worker listens on no Unix socket")?;
        let page = socket.with_file_name(page::FILE);
        let page = File::options().read(true).write(true).open(&page);
        let page = Some(Arc::new(page.context("the worker has no page to claim from")?));
        Ok(Self { pid: running.worker, socket, page, _life: Life::UnderPlimsoll(running) })
    }
}

/// The path of the Unix socket on which a process listens.
fn listening_socket(pid: Pid) -> Option<PathBuf> {
    let sockets = fs::read_to_string("/proc/net/unix").ok()?;
    let own: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()))
        .collect();
    parse_listening(&sockets)
        .find(|(inode, _)| own.iter().any(|link| *link == format!("socket:[{inode}]")))
        .map(|(_, path)| PathBuf::from(path))
}

/// Inode and path of the listening sockets that have a path.
fn parse_listening(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        match fields.as_slice() {
            [_, _, _, flags, _, _, inode, path] if *flags == LISTENING && path.starts_with('/') => {
                Some((*inode, *path))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_with_a_path_are_found() {
        let text = "Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 4711 /tmp/a.sock
0000000000000000: 00000003 00000000 00000000 0001 03 4712 /tmp/a.sock
0000000000000000: 00000002 00000000 00010000 0001 01 4713 @abstract
0000000000000000: 00000003 00000000 00000000 0001 03 4714
";
        assert_eq!(parse_listening(text).collect::<Vec<_>>(), [("4711", "/tmp/a.sock")]);
    }
}
