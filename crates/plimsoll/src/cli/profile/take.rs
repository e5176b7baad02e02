//! Taking something of a worker: the order, what is said meanwhile, and the file at its end.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, value_parser};

use super::output;
use crate::cli::instance::{self, Instance};
use crate::concerns::event_loop::profile::read::BYTES_MAX;
use crate::exit::Exit;
use crate::observe::control::Taken;
use crate::observe::report::Line;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Problem {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Instance(#[from] instance::Error),
    /// The instance says why.
    #[error("{0}")]
    NotTaken(String),
    #[error("{0}")]
    Profile(String),
    #[error("{} cannot be {what}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
}

impl Problem {
    pub(in crate::cli) fn file(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { what, path: path.to_owned(), source }
    }
}

pub(in crate::cli) fn conclude(result: Result<ExitCode, Problem>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(Problem::Instance(error)) => instance::fail(&error),
        Err(problem) => {
            let usage = output::fail(&format!("error: {problem}"));
            if matches!(problem, Problem::Usage(_)) { usage } else { Exit::Failure.into() }
        }
    }
}

pub(in crate::cli) fn worker_argument(default: &str) -> Arg {
    Arg::new("worker")
        .long("worker")
        .value_name("N")
        .value_parser(value_parser!(u16))
        .help(format!("Which worker, from 0 [default: {default}]"))
}

pub(super) fn worker(arguments: &ArgMatches) -> Option<u16> {
    arguments.get_one::<u16>("worker").copied()
}

/// Sends the order and waits for the file; what is said meanwhile goes to stderr, or with `--json` to stdout.
///
/// # Errors
/// There is no file, and why.
pub(in crate::cli) fn follow(arguments: &ArgMatches, target: &str) -> Result<(Instance, Taken), Problem> {
    let json = arguments.get_flag("json");
    let hear = |line: &Line| {
        if json && matches!(line, Line::Said { .. }) {
            let _reader_left =
                output::print(&format!("{}\n", serde_json::to_string(line).unwrap_or_default()));
        } else if let Line::Said { line } = line {
            output::say(line);
        }
    };
    let instance = instance::pick(instance::name(arguments))?;
    let ended = instance.follow(target, hear)?;
    let taken = ended.taken.filter(|taken| is_inside(&taken.file)).ok_or(Problem::NotTaken(ended.message))?;
    Ok((instance, taken))
}

/// A path that leads out of the instance's directory is not one that the instance gave.
fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

/// Takes the file away.
///
/// # Errors
/// It is gone, or larger than any profile.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let failed = |source| Problem::file("read", path, source);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    // Where it cannot be removed, the instance does so with the next one.
    let _ = fs::remove_file(path);
    Ok(bytes)
}
