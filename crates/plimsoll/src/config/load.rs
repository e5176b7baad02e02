//! From the sources to the resolved settings, with the origin of each.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::definition::Definition;
use super::environment;
use super::file::{self, Presence};
use super::named;
use super::otel::Otel;
use super::problem::{Place, Problem, Problems};
use super::resolved::Config;
use super::settings::{all, find};
use super::sinks::{Shown, Sinks};

/// Read when no other file is named and it exists.
const FILE_DEFAULT: &str = "plimsoll.toml";
/// From so many CPUs on, one gateway thread may become the narrowest place.
const CPUS_FOR_TWO_THREADS: usize = 8;
/// As long as Kubernetes may take to tell everyone that a pod is about to go.
const DELAY_UNDER_KUBERNETES: Duration = Duration::from_secs(5);

/// Everything that settings are read from. Passed in whole, so that reading them is a function of its input.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Key, text and flag as typed (`--workers`).
    pub flags: Vec<(&'static str, String, String)>,
    /// `--config`
    pub file: Option<PathBuf>,
    pub variables: Vec<(OsString, OsString)>,
    pub unseen: Unseen,
    /// CPUs that this process may use.
    pub cpus: usize,
}

/// Variables that will be set where Plimsoll is started, and whose values are not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    These(Vec<String>),
    /// Nobody knows their names: any may be one.
    Any,
}

/// What is read in the place of a value that is not known: fit for a header, and no secret.
const UNSEEN: &str = "unseen";

/// Where the effective value of a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Variable(String),
    Flag(String),
}

/// The settings in force, and where each came from, in the order of the table.
#[derive(Debug, Clone)]
pub struct Effective {
    pub config: Config,
    pub(super) origins: Vec<Origin>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Variables that the file asks for, and whose values are not known.
    pub unseen: Vec<String>,
    pub(super) sinks: Vec<Shown>,
}

/// A value as some source gives it, not yet judged.
pub(super) struct Found {
    /// Under which name of the user's it stands: `[downstream."NAME"]`.
    pub(super) under: Option<String>,
    pub(super) setting: &'static dyn Definition,
    pub(super) text: String,
    pub(super) place: Place,
}

impl Sources {
    /// The sources of this process: its environment and its CPUs; no flags.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            ..Self::default()
        }
    }

    /// What `${NAME}` stands for.
    pub(super) fn variable(&self, wanted: &str) -> Variable<'_> {
        let set = self.variables.iter().find(|(name, _)| name == wanted);
        match (set.and_then(|(_, value)| value.to_str()), &self.unseen) {
            (Some(value), _) => Variable::Set(value),
            (None, Unseen::Any) => Variable::Unseen(UNSEEN),
            (None, Unseen::These(names)) if names.iter().any(|name| name == wanted) => {
                Variable::Unseen(UNSEEN)
            }
            (None, Unseen::These(_)) => Variable::None,
        }
    }
}

/// What is known of a variable.
pub(super) enum Variable<'a> {
    Set(&'a str),
    /// It will be set; with what stands for its value.
    Unseen(&'static str),
    None,
}

impl Default for Unseen {
    /// What is not among the variables is not set.
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "{name}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// Reads all sources. Precedence: flag, environment, file, default. A value that is overridden is still
/// checked: a broken line in the file is broken on the day the flag is removed.
///
/// # Errors
/// Every problem of every source.
pub fn load(sources: &Sources) -> Result<Effective, Problems> {
    let mut problems = Vec::new();
    let (file, from_file, sinks) = read_file(sources, &mut problems);
    let (from_environment, unknown) = environment::parse(&sources.variables);
    problems.extend(unknown);

    let mut effective = Effective {
        config: Config::default(),
        origins: defaults(),
        file,
        unseen: sinks.unseen,
        sinks: sinks.shown,
    };
    effective.config.otel = Otel::read(&sources.variables);
    effective.config.logs.standard = sinks.standard;
    effective.config.logs.sinks = sinks.sinks;
    if sources.cpus >= CPUS_FOR_TWO_THREADS {
        effective.config.gateway.threads = 2;
    }
    if sources.variables.iter().any(|(name, _)| name == "KUBERNETES_SERVICE_HOST") {
        effective.config.shutdown.delay = DELAY_UNDER_KUBERNETES;
    }
    let from_platform = platform(sources, &from_file, &from_environment);
    // What stands under a name begins with what holds for all, wherever that was set.
    let (named, from_file): (Vec<_>, Vec<_>) =
        from_file.into_iter().partition(|found: &Found| found.under.is_some());
    let general =
        from_platform.into_iter().chain(from_file).chain(from_environment).chain(from_flags(sources));
    for found in general.chain(named) {
        effective.apply(found, &mut problems);
    }
    problems.sort_by(|a: &Problem, b| a.place.cmp(&b.place));
    if problems.is_empty() { Ok(effective) } else { Err(Problems(problems)) }
}

fn read_file(sources: &Sources, problems: &mut Vec<Problem>) -> (Option<PathBuf>, Vec<Found>, Sinks) {
    let named = sources.file.clone().or_else(|| environment::file(&sources.variables).map(PathBuf::from));
    let presence = if named.is_some() { Presence::Required } else { Presence::Optional };
    let path = named.unwrap_or_else(|| Path::new(FILE_DEFAULT).to_owned());
    match file::read(&path, presence) {
        Ok(Some(text)) => {
            let parsed = file::parse(&path, &text, sources);
            problems.extend(parsed.problems);
            (Some(path), parsed.found, parsed.sinks)
        }
        Ok(None) => (None, Vec::new(), Sinks::default()),
        Err(problem) => {
            problems.push(problem);
            (None, Vec::new(), Sinks::default())
        }
    }
}

/// `WEB_CONCURRENCY` is set by the platform, often for another program: it is a default, and it is judged only
/// where it counts.
fn platform(sources: &Sources, from_file: &[Found], from_environment: &[Found]) -> Option<Found> {
    const KEY: &str = "workers.count";
    let set = from_file.iter().chain(from_environment).any(|found| found.setting.key() == KEY)
        || sources.flags.iter().any(|(key, ..)| *key == KEY);
    let value = environment::web_concurrency(&sources.variables).filter(|_| !set)?;
    let place = Place::Variable("WEB_CONCURRENCY".to_owned());
    Some(Found { under: None, setting: find(KEY)?, text: value.to_string_lossy().into_owned(), place })
}

fn from_flags(sources: &Sources) -> impl Iterator<Item = Found> {
    sources.flags.iter().filter_map(|(key, text, flag)| {
        Some(Found { under: None, setting: find(key)?, text: text.clone(), place: Place::Flag(flag.clone()) })
    })
}

fn defaults() -> Vec<Origin> {
    all().map(|_| Origin::Default).collect()
}

impl Effective {
    fn apply(&mut self, found: Found, problems: &mut Vec<Problem>) {
        let key = found.setting.key();
        if let Some(name) = &found.under {
            if let Err(reason) = named::set(&mut self.config, name, &found) {
                let what = format!("{}: {}", named::key(name, found.setting), reason.fault);
                problems.push(Problem { what, place: found.place, hint: reason.hint });
            }
            return;
        }
        match found.setting.set(&mut self.config, &found.text) {
            Err(reason) => problems.push(Problem {
                what: format!("{key}: {}", reason.fault),
                place: found.place,
                hint: reason.hint,
            }),
            Ok(()) => {
                let row = all().position(|setting| setting.key() == key);
                if let Some(origin) = row.and_then(|row| self.origins.get_mut(row)) {
                    *origin = found.place.into();
                }
            }
        }
    }

    /// Setting, its value as text, and its origin, in the order of the table.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'static dyn Definition, String, &Origin)> {
        all().zip(&self.origins).map(|(setting, origin)| (setting, setting.get(&self.config), origin))
    }
}

impl From<Place> for Origin {
    fn from(place: Place) -> Self {
        match place {
            Place::Path(path) => Self::File { path, line: 1 },
            Place::File { path, line, .. } => Self::File { path, line },
            Place::Variable(name) => Self::Variable(name),
            Place::Flag(flag) => Self::Flag(flag),
        }
    }
}
