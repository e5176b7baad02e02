//! `plimsoll profile`: which functions take the time of the event loop.

mod files;
mod take;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use self::files::Format;
use super::{instance, output};
use crate::concerns::event_loop::profile::stretch::longest;
use crate::concerns::event_loop::profile::{Origin, Profile, Report};
use crate::observe::control::Taken;
use crate::observe::{query, socket};

pub(super) use self::files::create;
pub(super) use self::take::{Problem, conclude, follow, worker_argument};

const SECONDS: u32 = 10;
/// A window with a stall ends soon after it; one without is as long as its profile is to be held in memory.
const WINDOW_SECONDS: u32 = 30;
const THRESHOLD_MS: u32 = 100;

const HELP: &str = "\
Prints what the event loop was busy with, the two things to fix first on top, and writes a flame graph (.svg), the \
profile itself (.cpuprofile, for the browser's DevTools and speedscope.app) and the same for pprof (.pb.gz). No port is \
opened in the worker and the app is not restarted. Worker threads of the app are not part of it.

What it costs: V8 stops the worker at the beginning, to note which functions there are in its heap (40 ms with 30 MB, a second \
with 1 GB; twice that on Node.js 22 and 24), and for some milliseconds at the end; between them, a few percent of its CPU at one \
sample per millisecond. Without a profile it costs nothing.

With --on-stall the workers are profiled until the event loop of one stands still for the threshold; then the time in which \
it stood still is shown. The profiler runs all the while, in windows of --seconds that overlap, of which each one without a stall is \
thrown away; the pause at the beginning comes once, and on Node.js 22 and 24 again every five minutes. Interrupting it ends that.";

pub(super) fn command() -> Command {
    let number = |name: &'static str, range: &std::ops::RangeInclusive<u32>| {
        let range = i64::from(*range.start())..=i64::from(*range.end());
        Arg::new(name).long(name).value_parser(value_parser!(u32).range(range))
    };
    Command::new("profile")
        .about("Shows which functions take the time of a worker's event loop")
        .after_help(HELP)
        .arg(worker_argument("one that serves; with --on-stall all"))
        .arg(
            number("seconds", &query::PROFILE_SECONDS)
                .value_name("N")
                .help("How long [default: 10; with --on-stall windows of 30]"),
        )
        .arg(
            number("interval", &query::PROFILE_INTERVAL_US)
                .value_name("MICROSECONDS")
                .default_value("1000")
                .help("Time between two samples"),
        )
        .arg(
            Arg::new("on-stall")
                .long("on-stall")
                .action(ArgAction::SetTrue)
                .help("Wait until an event loop stands still, and show what it did"),
        )
        .arg(
            number("threshold", &query::STALL_MS)
                .value_name("MILLISECONDS")
                .requires("on-stall")
                .help("How long it must stand still [default: 100]"),
        )
        .arg(
            Arg::new("output")
                .long("output")
                .value_name("DIR")
                .default_value(".")
                .value_parser(value_parser!(PathBuf))
                .help("Where the files are written; none is overwritten"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .value_parser(Format::NAMES)
                .default_value("flamegraph,cpuprofile,pprof")
                .help("Which files are written"),
        )
        .arg(instance::name_argument())
        .arg(instance::json_argument())
}

pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    conclude(show(arguments))
}

fn show(arguments: &ArgMatches) -> Result<ExitCode, Problem> {
    let directory = arguments.get_one::<PathBuf>("output").cloned().unwrap_or_default();
    if !directory.is_dir() {
        return Err(Problem::Usage(format!("{} is not a directory", directory.display())));
    }
    let (instance, taken) = follow(arguments, &target(arguments))?;
    let bytes = take::read(&instance.directory().join(&taken.file))?;
    let origin = Origin {
        directory: taken.directory.clone(),
        // As Node tells it: without symbolic links.
        agent: std::fs::canonicalize(instance.directory().join("agent")).ok(),
    };
    let stem = format!("{}-w{}", instance.name, taken.worker);
    let profile = Profile::read(&bytes, &origin).map_err(|error| Problem::Profile(error.to_string()))?;
    let is_stall = arguments.get_flag("on-stall");
    let profile = if is_stall { of_stall(profile) } else { profile };
    let report = Report::of(&profile);
    let formats = Format::chosen(arguments.get_many::<String>("format").unwrap_or_default());
    let files = files::write(&directory, &stem, &formats, &bytes, &profile)?;
    let text = if arguments.get_flag("json") {
        json(&taken, &report, &files)
    } else {
        text(&report, is_stall, &files)
    };
    Ok(output::print(&text))
}

fn target(arguments: &ArgMatches) -> String {
    let number = |name: &str| arguments.get_one::<u32>(name).copied();
    let stall = arguments.get_flag("on-stall");
    let seconds = number("seconds").unwrap_or(if stall { WINDOW_SECONDS } else { SECONDS });
    let mut query = vec![format!("seconds={seconds}")];
    query.extend(number("interval").map(|interval| format!("interval_us={interval}")));
    query.extend(take::worker(arguments).map(|worker| format!("worker={worker}")));
    if stall {
        query.push(format!("stall_ms={}", number("threshold").unwrap_or(THRESHOLD_MS)));
    }
    format!("{}?{}", socket::PROFILE_PATH, query.join("&"))
}

/// Without the rest of the window; the `.cpuprofile` keeps it.
fn of_stall(profile: Profile) -> Profile {
    let range = longest(&profile);
    profile.part(range)
}

fn text(report: &Report, is_stall: bool, files: &[files::Written]) -> String {
    let said = if is_stall { report.render_stall() } else { report.render() };
    let mut text = format!("\n{said}");
    if !files.is_empty() {
        text.push('\n');
    }
    for file in files {
        text.push_str(&format!("{:<12} {}\n", file.format, file.path.display()));
    }
    text
}

fn json(taken: &Taken, report: &Report, files: &[files::Written]) -> String {
    let fix_first: Vec<String> = report.culprits.iter().take(2).map(|one| report.sentence(one)).collect();
    let object = serde_json::json!({
        "worker": taken.worker,
        "pid": taken.pid,
        "fix_first": fix_first,
        "report": report,
        "files": files,
    });
    format!("{object}\n")
}
