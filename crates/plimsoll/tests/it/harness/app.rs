//! What to run.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, iter};

use rustix::fs::{FlockOperation, flock};

/// An app and the command that starts it.
#[derive(Debug, Clone)]
pub(crate) enum App {
    /// CommonJS source, written into the test's directory. `require` also finds the packages of `examples/`.
    Source(String),
    /// A folder of `examples/`, started as its `npm start` says, without npm.
    Example(&'static str),
    /// Any command, in the test's directory; files to write there first.
    Command { command: Vec<String>, files: Vec<(&'static str, String)> },
}

impl App {
    pub(crate) fn source(source: impl Into<String>) -> Self {
        Self::Source(source.into())
    }

    pub(crate) fn command(command: &[&str], files: &[(&'static str, &str)]) -> Self {
        Self::Command {
            command: command.iter().map(ToString::to_string).collect(),
            files: files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
        }
    }

    /// Writes what is to be written into `directory`; gives the working directory and the command.
    pub(super) fn prepare(&self, directory: &Path) -> (PathBuf, Vec<OsString>) {
        match self {
            Self::Source(source) => {
                fs::write(directory.join("app.js"), source).unwrap();
                (directory.into(), vec!["node".into(), "app.js".into()])
            }
            Self::Example(name) => {
                let folder = example(name);
                let command: &[&str] = match *name {
                    "next" => &["node", "node_modules/next/dist/bin/next", "start"],
                    _ => &["node", "server.js"],
                };
                (folder, command.iter().map(Into::into).collect())
            }
            Self::Command { command, files } => {
                for (name, text) in files {
                    fs::write(directory.join(name), text).unwrap();
                }
                (directory.into(), command.iter().map(Into::into).collect())
            }
        }
    }
}

/// The node program that is tested; the variable may name it or the folder it is in.
pub(crate) fn node() -> PathBuf {
    match env::var_os("PLIMSOLL_TEST_NODE").map(PathBuf::from) {
        None => "node".into(),
        Some(path) if path.is_dir() => path.join("node"),
        Some(path) => path,
    }
}

/// `PATH` with the tested node first, so that `npm` and `node` both mean it.
pub(super) fn path() -> OsString {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let first = node().parent().map(Path::to_path_buf).filter(|folder| folder.is_absolute());
    env::join_paths(first.into_iter().chain(env::split_paths(&inherited))).unwrap()
}

/// `NODE_PATH`: packages of the examples that sources in a test's directory may `require`.
pub(crate) fn node_path() -> OsString {
    env::join_paths(iter::once(example("websocket").join("node_modules"))).unwrap()
}

/// The folder of an example, its packages installed (and built, where it has a build).
pub(crate) fn example(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let folder = folder.canonicalize().unwrap_or_else(|error| panic!("examples/{name}: {error}"));
    let package = fs::read_to_string(folder.join("package.json")).unwrap();
    if !package.contains("\"dependencies\"") {
        return folder;
    }
    // Tests run in threads or in processes of their own; a file lock serves both.
    let lock =
        File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.lock", name.replace('/', "-"))))
            .unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    if !folder.join("node_modules/.package-lock.json").exists() {
        npm(&folder, &["ci", "--no-audit", "--no-fund", "--prefer-offline"]);
    }
    if package.contains("\"build\"") && !folder.join(".next/BUILD_ID").exists() {
        npm(&folder, &["run", "build"]);
    }
    folder
}

fn npm(folder: &Path, arguments: &[&str]) {
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(folder)
        .env("NEXT_TELEMETRY_DISABLED", "1")
        // Next looks for registry addresses in the lock file, which ours leaves out.
        .env("NEXT_IGNORE_INCORRECT_LOCKFILE", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "npm {arguments:?} in {folder:?}: {output:?}");
}
