//! The environment: `PLIMSOLL_*` variables to (setting, text, place).
//!
//! A misspelt variable is an error, like a misspelt key. Three families that begin the same are none of ours
//! to judge: what Plimsoll itself gives to its workers (a nested plimsoll sees them), what this project's own
//! tests use, and what Kubernetes puts into every pod for a Service that happens to be called `plimsoll`.

use std::ffi::OsString;

use plimsoll_wire::names::{ENV_DIRECTORY, ENV_HEAP};

use super::load::Found;
use super::nearest::nearest;
use super::problem::{Place, Problem};
use super::settings::all;

const PREFIX: &str = "PLIMSOLL_";
const FILE: &str = "PLIMSOLL_CONFIG";
const GIVEN_TO_WORKERS: [&str; 2] = ["PLIMSOLL_WORKER", "PLIMSOLL_WORKERS"];

/// The variable that names the settings file. An empty one is as good as none, as for all variables: compose
/// files and shells pass `NAME=` for what was not given.
pub(super) fn file(variables: &[(OsString, OsString)]) -> Option<OsString> {
    get(variables, FILE)
}

/// What `WEB_CONCURRENCY` says, the platforms' common name for the number of workers.
pub(super) fn web_concurrency(variables: &[(OsString, OsString)]) -> Option<OsString> {
    get(variables, "WEB_CONCURRENCY")
}

pub(super) fn parse(variables: &[(OsString, OsString)]) -> (Vec<Found>, Vec<Problem>) {
    let nested = get(variables, "PLIMSOLL_WORKER").is_some();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if value.is_empty() || name == FILE {
            continue;
        }
        let setting = all().find(|setting| setting.variable() == name);
        match (setting, value.to_str()) {
            (Some(setting), Some(text)) => {
                let place = Place::Variable(name.to_owned());
                found.push(Found { under: None, setting, text: text.to_owned(), place });
            }
            (Some(setting), None) => problems.push(Problem {
                what: format!("{} is not UTF-8", setting.key()),
                place: Place::Variable(name.to_owned()),
                hint: format!("write {}", setting.describe()),
            }),
            (None, _) if is_foreign(name, &value.to_string_lossy(), nested) => {}
            (None, _) => problems.push(unknown(name)),
        }
    }
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    (found, problems)
}

fn get(variables: &[(OsString, OsString)], wanted: &str) -> Option<OsString> {
    variables.iter().find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, value)| value.clone())
}

/// `nested`: this process runs inside a worker. Without that, `PLIMSOLL_WORKERS` is somebody's attempt to set
/// the number of workers, and must not be passed over in silence.
fn is_foreign(name: &str, value: &str, nested: bool) -> bool {
    (nested && GIVEN_TO_WORKERS.contains(&name))
        || [ENV_DIRECTORY, ENV_HEAP].contains(&name)
        || name.starts_with("PLIMSOLL_TEST_")
        || is_kubernetes_service(name, value)
}

/// `<SERVICE>_SERVICE_HOST`, `<SERVICE>_SERVICE_PORT[_NAME]`, `<SERVICE>_PORT=tcp://…`, `<SERVICE>_PORT_80_TCP…`.
fn is_kubernetes_service(name: &str, value: &str) -> bool {
    let after_port = name.rsplit_once("_PORT_").map(|(_, rest)| rest);
    let numbered = after_port.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && value.contains("://"))
        || numbered
}

fn unknown(name: &str) -> Problem {
    // Compared without the prefix: it is the same for all, and would make everything look alike.
    let known: Vec<String> = all().map(|setting| setting.variable()).chain([FILE.to_owned()]).collect();
    let bare = known.iter().filter_map(|known| known.strip_prefix(PREFIX));
    let hint = match name {
        "PLIMSOLL_WORKERS" => "the number of workers is set by PLIMSOLL_WORKERS_COUNT".to_owned(),
        name => match nearest(name.trim_start_matches(PREFIX), '\0', bare) {
            Some(known) => format!("the nearest known variable is {PREFIX}{known}"),
            None => "a variable is PLIMSOLL_ and the key in capitals; `plimsoll config` prints all keys"
                .to_owned(),
        },
    };
    Problem { what: format!("unknown variable {name}"), place: Place::Variable(name.to_owned()), hint }
}
