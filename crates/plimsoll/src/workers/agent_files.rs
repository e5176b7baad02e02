//! The agent, as it lies inside this executable, and the way out of it.
//!
//! Node loads the agent from files, so they are written once per start into the instance's private directory.
//! The build script builds the addon; the JavaScript is embedded as it stands in `crates/plimsoll-agent/js`.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The preload: what `--require` in `NODE_OPTIONS` names.
const PRELOAD: &str = "agent.cjs";

/// `js!["name", …]`: each file with its text.
macro_rules! js {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../plimsoll-agent/js/", $name)))),+]
    };
}

const FILES: &[(&str, &[u8])] = js![
    "address.js",
    "addon.js",
    "agent.cjs",
    "answers.js",
    "apart.js",
    "call.js",
    "breaker.js",
    "calls_http.js",
    "calls_http2.js",
    "calls_undici.js",
    "channel.js",
    "churn.js",
    "cluster.js",
    "context.js",
    "directory.js",
    "dismiss.js",
    "downstream.js",
    "fan_out.js",
    "frameworks.js",
    "headers.js",
    "held.js",
    "hidden.js",
    "hold.js",
    "keep_alive.js",
    "kind.js",
    "lateness.js",
    "layout.js",
    "lease.js",
    "link.js",
    "listen.js",
    "listening.js",
    "loaded.js",
    "memory.js",
    "metrics.js",
    "origin.js",
    "origins.js",
    "page.js",
    "patch.js",
    "pool.js",
    "pool_commands.js",
    "pool_generic.js",
    "pool_ioredis.js",
    "pool_mongodb.js",
    "pool_mysql2.js",
    "pool_pg.js",
    "pool_postgres.js",
    "pool_redis.js",
    "pool_resources.js",
    "pool_sequelize.js",
    "pool_tarn.js",
    "pool_undici.js",
    "pools.js",
    "pools_all.js",
    "preload.js",
    "profile.js",
    "rate.js",
    "refused.js",
    "refusal.js",
    "registries.js",
    "request.js",
    "ring.js",
    "samples.js",
    "seen.js",
    "seldom.js",
    "serve.js",
    "shadow.js",
    "spans.js",
    "spread.js",
    "takers.js",
    "tax.js",
    "times.js",
    "trunk.js",
    "waits.js",
    "watchdog.js",
    "whose.js",
    "wire.js",
];

/// The native half; `js/addon.js` looks for it under this name.
const ADDON: (&str, &[u8]) = ("addon.node", include_bytes!(env!("BUILT_ADDON")));

/// Writes the agent to `directory`/agent, readable by this user only, and returns the path of the preload.
///
/// # Errors
/// As the file system gives them; a directory that has an agent already is an error too: it is not ours.
pub fn write(directory: &Path) -> io::Result<PathBuf> {
    let home = directory.join("agent");
    DirBuilder::new().mode(0o700).create(&home)?;
    for (name, bytes) in FILES {
        write_file(&home.join(name), bytes, 0o600)?;
    }
    // The loader maps the addon executable, which some hardened systems only allow with the x bit.
    write_file(&home.join(ADDON.0), ADDON.1, 0o700)?;
    fs::canonicalize(home.join(PRELOAD))
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn every_file_of_the_agent_is_embedded() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plimsoll-agent/js");
        let there: BTreeSet<String> = fs::read_dir(source)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let embedded: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(embedded, there);
    }

    #[test]
    fn writes_the_agent_for_this_user_only() {
        let directory = tempfile::tempdir().unwrap();
        let preload = write(directory.path()).unwrap();
        assert!(preload.is_absolute() && preload.ends_with("agent/agent.cjs"));
        for (name, mode) in [("", 0o700), ("agent.cjs", 0o600), ("addon.node", 0o700)] {
            let metadata = fs::metadata(directory.path().join("agent").join(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name:?}");
        }
        assert_eq!(write(directory.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
