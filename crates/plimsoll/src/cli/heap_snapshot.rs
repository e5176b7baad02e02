//! `plimsoll heap-snapshot`: what fills the heap of a worker.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::profile::{Problem, conclude, create, follow, worker_argument};
use super::{instance, output};
use crate::observe::{socket, units};

const HELP: &str = "\
The file is for the Memory tab of the browser's DevTools. It holds all strings of the app, secrets included, and is readable \
by its owner only.

The worker answers nothing while it is written: some seconds for each 100 MB of heap. Other workers take the requests \
meanwhile; with a single one they wait. It takes about as much memory again as the heap has, and a file of up to twice its \
size, first in the private directory of the instance; where there is not enough, nothing is done.";

pub(super) fn command() -> Command {
    Command::new("heap-snapshot")
        .about("Writes what a worker's heap holds to a file")
        .after_help(HELP)
        .arg(worker_argument("one that serves"))
        .arg(
            Arg::new("output")
                .long("output")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The file, which must not exist [default: NAME-wN.heapsnapshot]"),
        )
        .arg(instance::name_argument())
        .arg(instance::json_argument())
}

pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    conclude(take(arguments))
}

fn take(arguments: &ArgMatches) -> Result<ExitCode, Problem> {
    let asked = arguments.get_one::<PathBuf>("output");
    if let Some(path) = asked.filter(|path| path.exists()) {
        return Err(Problem::Usage(format!("{} exists already", path.display())));
    }
    output::say("the worker answers nothing while the snapshot is written");
    let worker =
        arguments.get_one::<u16>("worker").map_or_else(String::new, |worker| format!("?worker={worker}"));
    let (instance, taken) = follow(arguments, &format!("{}{worker}", socket::HEAP_SNAPSHOT_PATH))?;
    let path = asked.cloned().unwrap_or_else(|| free_name(&format!("{}-w{}", instance.name, taken.worker)));
    let bytes = fetch(&instance.directory().join(&taken.file), &path)?;
    let text = if arguments.get_flag("json") {
        let object =
            serde_json::json!({ "worker": taken.worker, "pid": taken.pid, "file": path, "bytes": bytes });
        format!("{object}\n")
    } else {
        format!("{} ({})\n", path.display(), units::size(bytes))
    };
    Ok(output::print(&text))
}

/// Takes the file away. Where that fails it stays where it is, and the message says where.
fn fetch(from: &Path, to: &Path) -> Result<u64, Problem> {
    let mut source = File::open(from).map_err(|error| Problem::file("read", from, error))?;
    let mut target = create(to).map_err(|error| kept(to, from, error))?;
    let bytes = io::copy(&mut source, &mut target).map_err(|error| {
        let _half = fs::remove_file(to);
        kept(to, from, error)
    })?;
    // Where it cannot be removed, the instance does so with the next one.
    let _ = fs::remove_file(from);
    Ok(bytes)
}

fn kept(to: &Path, from: &Path, error: io::Error) -> Problem {
    let hint =
        format!("{error}\n hint: until the next one is taken, the snapshot lies in {}", from.display());
    Problem::file("written", to, io::Error::new(error.kind(), hint))
}

fn free_name(stem: &str) -> PathBuf {
    let numbered = (2..10_000).map(|number| format!("{stem}-{number}.heapsnapshot"));
    let first = format!("{stem}.heapsnapshot");
    let mut names = std::iter::once(first.clone()).chain(numbered).map(PathBuf::from);
    names.find(|path| !path.exists()).unwrap_or_else(|| first.into())
}
