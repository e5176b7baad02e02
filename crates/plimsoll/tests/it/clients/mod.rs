//! Clients that are programs: what users really have on the other side.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{node, node_path, until};

/// Runs `tests/it/clients/SCRIPT` with Node; gives the JSON it prints.
pub(crate) fn run(script: &str, arguments: &[&str]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(script);
    let directory = tempfile::tempdir().unwrap();
    let (out, err) = (directory.path().join("out"), directory.path().join("err"));
    let mut child = Command::new(node())
        .arg(&path)
        .args(arguments)
        .env("NODE_PATH", node_path())
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let status = until(&format!("{script} has finished"), || child.try_wait().unwrap());
    let (out, err) = (fs::read_to_string(out).unwrap(), fs::read_to_string(err).unwrap());
    assert!(status.success(), "{script} {arguments:?}: {status}\n{out}\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{script}: {error}: {out:?}"))
}
