//! `plimsoll doctor`: what is wrong with a running instance, the worst first (`live`).
//!
//! `plimsoll doctor --k8s FILE…`: holds Kubernetes manifests against the settings, before a deploy does.
//!
//! What is right and wrong is decided in `concerns::shutdown::manifest`; here files are read, the settings of
//! the container are found out, and the answer is written.

mod live;
mod report;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

pub(super) use self::live::render;
use super::{instance, output};
use crate::concerns::shutdown::manifest::{self, At, Autoscaler, Choice, Node, Workload};
use crate::exit::Exit;
use report::{Examined, Note, Report};

const FILES: &str = "k8s";
const CONTAINER: &str = "container";
const CONFIG: &str = "config";
const STDIN: &str = "-";
/// More than `kubectl get all -o yaml` of a large cluster; a pipe that never ends is given up here.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub(super) fn command() -> Command {
    Command::new("doctor")
        .about("Says what is wrong with a running instance, the worst first; or with Kubernetes manifests")
        .long_about(
            "Says what is wrong with a running instance: what hurts most first, with what it costs, what was seen, where \
             in the code, what would help, and what is done about it already. Exit code 0: nothing found; 1: findings, \
             or too little to judge.\n\n\
             With --k8s it holds Kubernetes manifests against the settings, and says what would lose requests: what is \
             wrong, where, why, and what to write instead. The settings are those of the container in the manifest: \
             its flags, its PLIMSOLL_* variables, and the settings file of --config. Exit code 0: nothing \
             found; 1: findings; 2: a file cannot be read.",
        )
        .after_help(
            "Examples:  plimsoll doctor\n           plimsoll doctor --k8s deploy.yaml\n           helm template . | \
             plimsoll doctor --k8s -",
        )
        .arg(instance::name_argument().conflicts_with(FILES))
        .arg(
            Arg::new(FILES)
                .long("k8s")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .num_args(1..)
                .action(ArgAction::Append)
                .help("Manifests, each with any number of documents; `-` is standard input"),
        )
        .arg(
            Arg::new(CONTAINER)
                .long("container")
                .value_name("NAME")
                .requires(FILES)
                .help("The container that runs Plimsoll, where the manifest does not show it"),
        )
        .arg(
            Arg::new(CONFIG)
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .requires(FILES)
                .help("Settings file of the container, in place of ./plimsoll.toml"),
        )
        .arg(output::json_argument())
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    if !matches.contains_id(FILES) {
        return live::run(matches);
    }
    let answer = answer(matches);
    let printed = match &answer {
        Err(mistake) => output::fail(mistake),
        Ok(report) => output::print(&if output::wants_json(matches) { report.json() } else { report.text() }),
    };
    if printed == Exit::Failure.into() { printed } else { exit(&answer).into() }
}

fn answer(matches: &ArgMatches) -> Result<Report, Mistake> {
    let paths = matches.get_many::<PathBuf>(FILES).unwrap_or_default();
    let files: Vec<File> = paths.map(|path| File::read(path)).collect::<Result<_, _>>()?;
    let question = Question {
        container: matches.get_one::<String>(CONTAINER).map(String::as_str),
        config: matches.get_one::<PathBuf>(CONFIG).map(PathBuf::as_path),
    };
    question.examine(&files)
}

fn exit(answer: &Result<Report, Mistake>) -> Exit {
    match answer {
        Err(_) => Exit::Usage,
        Ok(report) if report.is_clean() => Exit::Drained,
        Ok(_) => Exit::Failure,
    }
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
enum Mistake {
    File { what: String, at: String, hint: String },
    Settings(crate::config::Problems),
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { what, at, hint } => write!(f, "error: {what}\n   at: {at}\n hint: {hint}"),
            Self::Settings(problems) => write!(f, "{problems}"),
        }
    }
}

/// A manifest, read and parsed.
struct File {
    name: String,
    documents: Vec<Node>,
}

impl File {
    fn read(path: &Path) -> Result<Self, Mistake> {
        let name = if path == Path::new(STDIN) { "<stdin>".to_owned() } else { path.display().to_string() };
        let unreadable = |error: std::io::Error| Mistake::File {
            what: format!("cannot read the manifest: {error}"),
            at: name.clone(),
            hint: "name a YAML file, or `-` for standard input".to_owned(),
        };
        let text = text(path).map_err(unreadable)?;
        Self::parse(name, &text)
    }

    fn parse(name: String, text: &str) -> Result<Self, Mistake> {
        match manifest::parse(text) {
            Ok(documents) => Ok(Self { name, documents }),
            Err(error) => {
                let hint = match text.contains("{{") {
                    true => {
                        "this looks like a template; render it first: helm template . | plimsoll doctor --k8s -"
                    }
                    false => "a manifest is YAML as `kubectl apply` takes it",
                };
                let at = format!("{name}:{}:{}", error.position.line, error.position.column);
                Err(Mistake::File { what: format!("not YAML: {error}"), at, hint: hint.to_owned() })
            }
        }
    }
}

fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = match path == Path::new(STDIN) {
        true => std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?,
        false => std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?,
    };
    if u64::try_from(read).is_ok_and(|read| read <= FILE_BYTES_MAX) {
        return Ok(text);
    }
    Err(std::io::Error::other(format!("it is larger than {} MB", FILE_BYTES_MAX >> 20)))
}

/// What was asked on the command line, beside the files.
#[derive(Debug, Clone, Copy, Default)]
struct Question<'a> {
    container: Option<&'a str>,
    config: Option<&'a Path>,
}

impl Question<'_> {
    fn examine(self, files: &[File]) -> Result<Report, Mistake> {
        // An autoscaler may stand in another file than what it scales.
        let autoscalers: Vec<Autoscaler<'_>> =
            files.iter().flat_map(|file| manifest::autoscalers(&file.documents)).collect();
        let found: Vec<(&File, Workload<'_>, Choice<'_>)> =
            files.iter().flat_map(|file| self.workloads(file, &autoscalers)).collect();
        let certain = found.iter().any(|(_, _, choice)| matches!(choice, Choice::Certain(_)));
        let mut report = Report::default();
        for (file, workload, choice) in &found {
            let note = |text: &str| Note::of(&file.name, workload, text);
            let container = match choice {
                _ if !workload.kind.is_examined() => {
                    report.notes.push(note("it runs to its end, and is not examined"));
                    continue;
                }
                Choice::Certain(container) => container,
                Choice::Only(container) if !certain => {
                    report.notes.push(note("plimsoll is not in its command; taken to be in its image"));
                    container
                }
                // Others of the same files show Plimsoll, so this is something else: a cache, a database.
                Choice::Only(_) | Choice::None if certain => {
                    report.notes.push(note("plimsoll is not seen in it; passed over"));
                    continue;
                }
                Choice::Only(_) | Choice::None => {
                    report.notes.push(note(&self.no_container()));
                    continue;
                }
            };
            let examined = self.examine_one(&file.name, workload, container, &mut report.notes)?;
            report.examined.push(examined);
        }
        if report.examined.is_empty() { Err(nothing_examined(files, &report)) } else { Ok(report) }
    }

    fn no_container(self) -> String {
        match self.container {
            Some(name) => format!("it has no container `{name}`"),
            None => "no container of it shows plimsoll; --container NAME names it".to_owned(),
        }
    }

    fn workloads<'a>(
        self,
        file: &'a File,
        autoscalers: &[Autoscaler<'_>],
    ) -> Vec<(&'a File, Workload<'a>, Choice<'a>)> {
        let found = manifest::workloads(&file.documents, autoscalers).into_iter();
        found.map(|workload| (file, workload.clone(), workload.choose(self.container))).collect()
    }

    fn examine_one(
        self,
        file: &str,
        workload: &Workload<'_>,
        container: &At<'_>,
        notes: &mut Vec<Note>,
    ) -> Result<Examined, Mistake> {
        let read = settings::of_container(container, self.config).map_err(Mistake::Settings)?;
        notes.extend(read.notes.iter().map(|text| Note::of(file, workload, text)));
        let findings = match &read.settings {
            Ok(settings) => manifest::examine(workload, container, settings),
            Err(findings) => findings.clone(),
        };
        Ok(Examined::new(file, workload, container, read.settings.ok(), findings))
    }
}

/// A build pipeline must not take "nothing was looked at" for "nothing was found".
fn nothing_examined(files: &[File], report: &Report) -> Mistake {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let seen: Vec<String> = report.notes.iter().map(ToString::to_string).collect();
    Mistake::File {
        what: "nothing to examine".to_owned(),
        at: names.join(", "),
        hint: match seen.is_empty() {
            true => "name a file with a Deployment, StatefulSet, DaemonSet, ReplicaSet or Pod".to_owned(),
            false => seen.join("\n       "),
        },
    }
}
