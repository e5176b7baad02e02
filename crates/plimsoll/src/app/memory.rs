//! What there is of memory, and for which Node: looked up once, before the first worker.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use crate::concerns::memory::heap::{Limit, Policy, Rule, Source, is_decided};
use crate::concerns::memory::recycle;
use crate::config::Config;
use crate::sys::{cgroup, probe, room};

/// `node --version` takes some milliseconds; a version manager's wrapper may take longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// How heaps are made; `None`: nobody asks for it, or nobody can (without the agent the environment is left alone).
pub(super) fn policy(config: &Config, command: &[OsString]) -> Option<Policy> {
    let rule = Rule::of(config);
    let decides = |word: &OsString| is_decided(&word.to_string_lossy());
    if rule == Rule::Off || command.iter().any(decides) {
        return None;
    }
    Some(Policy {
        rule,
        limit: limit(config)?,
        surge: u16::try_from(config.workers.surge).unwrap_or(u16::MAX),
        node: node_version(command),
    })
}

/// `None`: nobody knows.
pub(super) fn limit(config: &Config) -> Option<Limit> {
    let of = |bytes: Option<u64>, source| bytes.map(|bytes| Limit { bytes, source });
    let machine = room::memory_of_host();
    // A limit above what there is limits nothing.
    let container = cgroup::memory_limit().filter(|limit| machine.is_none_or(|machine| *limit < machine));
    of(config.memory.limit_bytes, Source::Setting)
        .or(of(container, Source::Container))
        .or(of(machine, Source::Machine))
}

pub(super) fn recycling(config: &Config) -> recycle::Rules {
    let max_requests = config.workers.max_requests.and_then(|most| u64::try_from(most).ok());
    recycle::Rules { at: config.memory.recycle_at, max_requests }
}

/// The major version of the Node that most probably runs: that of the command, else the one that npm and its like find.
fn node_version(command: &[OsString]) -> Option<u32> {
    let first = command.first().filter(|first| Path::new(first).file_name() == Some(OsStr::new("node")));
    let program = first.map_or(OsStr::new("node"), OsString::as_os_str);
    let version = probe::first_line(program, "--version", PATIENCE)?;
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}
