//! What there is of memory, and for which Node: looked up once, before the first worker.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use crate::concerns::context::tax;
use crate::concerns::memory::heap::{Limit, Policy, Rule, Source, is_decided};
use crate::concerns::memory::recycle;
use crate::config::{AgentMode, Config};
use crate::sys::node_version::{self, Version};
use crate::sys::{cgroup, room};

/// Where `node --version` must be asked: a version manager's wrapper may take long.
const PATIENCE: Duration = Duration::from_millis(500);

/// How heaps are made; `None`: nobody asks for it, or nobody can (without the agent the environment is left alone).
pub(super) fn policy(config: &Config, command: &[OsString], node: Option<Version>) -> Option<Policy> {
    let rule = Rule::of(config);
    let decides = |word: &OsString| is_decided(&word.to_string_lossy());
    if rule == Rule::Off || command.iter().any(decides) {
        return None;
    }
    Some(Policy {
        rule,
        limit: limit(config)?,
        surge: u16::try_from(config.workers.surge).unwrap_or(u16::MAX),
        node: node.map(|(major, _)| major),
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

/// Whether anything depends on the version of Node.
pub(super) fn wants_version(config: &Config) -> bool {
    Rule::of(config) != Rule::Off || (config.context_frame && config.workers.agent != AgentMode::Off)
}

/// The version of the Node that most probably runs: that of the command, else the one that npm and its like find, which
/// look among the app's packages first.
pub(super) fn node_version(command: &[OsString]) -> Option<Version> {
    let is_node = |word: &&OsString| Path::new(word).file_name() == Some(OsStr::new("node"));
    if let Some(first) = command.first().filter(is_node) {
        return node_version::of(first, PATIENCE);
    }
    let own = Path::new("node_modules/.bin/node");
    node_version::of(if own.exists() { own.as_os_str() } else { OsStr::new("node") }, PATIENCE)
}

/// Whether workers are told to carry the context of `AsyncLocalStorage` in the engine; says why not, where it was asked for.
pub(super) fn has_context_frame(config: &Config, node: Option<Version>) -> bool {
    if !config.context_frame || config.workers.agent == AgentMode::Off {
        return false;
    }
    let is_known = node.is_some_and(tax::has_frame_flag);
    match node {
        _ if is_known => {}
        Some((24.., _)) => {
            tracing::info!("context.async_context_frame changes nothing: this Node has it by itself")
        }
        Some((major, minor)) => tracing::warn!(
            "context.async_context_frame is not set: Node {major}.{minor} does not know it; hint: upgrade to Node 24, which has it \
             by itself, or to 22.7"
        ),
        None => tracing::warn!(
            "context.async_context_frame is not set: it is not known which Node will run; hint: put `node` in front of the command"
        ),
    }
    is_known
}
