//! The settings that a container runs with, as far as its manifest shows them.
//!
//! They are read by the code that will read them there: the flags by the definition of `run`, the variables
//! and the file by `config::load`. What the manifest does not hold (a variable from a Secret, a file of a
//! ConfigMap) is named in a note, and is no reason not to judge the rest.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::{run, settings};
use crate::concerns::memory::heap::Rule;
use crate::concerns::shutdown::manifest::{At, Code, Finding, Invocation, Settings};
use crate::config::{Config, Place, Problem, Problems, Sources, Unseen, load};

const PREFIX: &str = "PLIMSOLL_";
const CONFIG: &str = "PLIMSOLL_CONFIG";
/// Set in every container of Kubernetes; some defaults depend on it.
const IN_KUBERNETES: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");

pub(super) struct Read {
    /// The findings are those that keep Plimsoll from starting.
    pub(super) settings: Result<Settings, Vec<Finding>>,
    pub(super) notes: Vec<String>,
}

/// `config` stands for the file that the container has.
///
/// # Errors
/// The settings file on this side is not fine.
pub(super) fn of_container(container: &At<'_>, config: Option<&Path>) -> Result<Read, Problems> {
    let mut notes = Vec::new();
    let (variables, unseen) = variables(container, &mut notes);
    let mut sources = match flags(container, Sources { variables, unseen, ..Sources::default() }) {
        Ok(sources) => sources,
        Err(finding) => return Ok(Read { settings: Err(vec![finding]), notes }),
    };
    sources.flags.retain(|(_, text, flag)| {
        let known = !text.contains('$');
        if !known {
            notes.push(format!("{flag} {text} is not known before it runs; its default is assumed"));
        }
        known
    });
    let of_container = sources.file.take();
    let named = sources.variables.iter().position(|(name, value)| name == CONFIG && !value.is_empty());
    let of_container = named.map(|at| sources.variables.remove(at).1.into()).or(of_container);
    if let Some(file) = of_container.filter(|_| config.is_none()) {
        notes.push(format!("its settings file {} is not seen; --config FILE stands for it", file.display()));
    }
    sources.file = config.map(Path::to_owned);
    match load(&sources) {
        Ok(effective) => {
            let unseen = effective.unseen.iter();
            notes.extend(
                unseen.map(|name| format!("${{{name}}} comes from elsewhere; its value is not seen")),
            );
            Ok(Read { settings: Ok(settings_of(&effective.config)), notes })
        }
        Err(Problems(problems)) if problems.iter().all(is_of_manifest) => {
            let findings = problems.iter().map(|problem| finding(container, problem)).collect();
            Ok(Read { settings: Err(findings), notes })
        }
        Err(problems) => Err(problems),
    }
}

/// What is written in `env`, and what is only said to be there. The last one of a name counts, as in Kubernetes.
fn variables(container: &At<'_>, notes: &mut Vec<String>) -> (Vec<(OsString, OsString)>, Unseen) {
    let mut variables: Vec<(OsString, OsString)> = vec![(IN_KUBERNETES.0.into(), IN_KUBERNETES.1.into())];
    let mut unseen = Vec::new();
    for each in container.get("env").map_or_else(Vec::new, |env| env.items()) {
        let Some(name) = each.text_of("name") else { continue };
        let ours = name.starts_with(PREFIX) || name == "WEB_CONCURRENCY";
        variables.retain(|(known, _)| known != name);
        match each.text_of("value") {
            Some(value) if !value.contains("$(") => variables.push((name.into(), value.into())),
            // One that says nothing is set, and empty.
            None if each.get("valueFrom").is_none() => variables.push((name.into(), OsString::new())),
            _ if ours => notes.push(format!("{name} comes from elsewhere; its default is assumed")),
            _ => unseen.push(name.to_owned()),
        }
    }
    if container.get("envFrom").is_none() {
        return (variables, Unseen::These(unseen));
    }
    notes.push("variables of `envFrom` are not seen".to_owned());
    (variables, Unseen::Any)
}

/// Adds the flags after `plimsoll run`.
fn flags(container: &At<'_>, sources: Sources) -> Result<Sources, Finding> {
    let invocation = Invocation::of(container);
    let words = std::iter::once("run").chain(invocation.run_arguments().iter().map(String::as_str));
    match run::command().try_get_matches_from(words) {
        Ok(matches) => Ok(settings::with_given(sources, &matches)),
        // Asked for help, it prints that and ends; whoever deploys this wants to know.
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let what = first.strip_prefix("error: ").unwrap_or("it does not run the app").to_owned();
            Err(invalid(&command(container), what, "see `plimsoll run --help`"))
        }
    }
}

fn command<'a>(container: &At<'a>) -> At<'a> {
    container.get("args").or_else(|| container.get("command")).unwrap_or_else(|| container.clone())
}

fn is_of_manifest(problem: &Problem) -> bool {
    matches!(problem.place, Place::Variable(_) | Place::Flag(_))
}

fn finding(container: &At<'_>, problem: &Problem) -> Finding {
    let variable = |name: &str| {
        let variables = container.get("env")?.items();
        variables.into_iter().rev().find(|each| each.text_of("name") == Some(name))
    };
    let field = match &problem.place {
        Place::Variable(name) => variable(name),
        _ => None,
    };
    invalid(&field.unwrap_or_else(|| command(container)), problem.what.clone(), &problem.hint)
}

fn invalid(field: &At<'_>, what: String, hint: &str) -> Finding {
    Finding {
        code: Code::SettingsInvalid,
        what,
        path: field.path.clone(),
        position: field.position,
        why: "Plimsoll does not start with it (exit code 2), and the pod never becomes ready".to_owned(),
        fix: format!("# {hint}"),
    }
}

fn settings_of(config: &Config) -> Settings {
    Settings {
        delay: config.shutdown.delay,
        grace: config.shutdown.grace,
        worker_grace: config.shutdown.worker_grace,
        workers: config.workers.count,
        admin: config.admin.listen,
        listen: config.gateway.listen,
        heaps: Rule::of(config),
        surge: u16::try_from(config.workers.surge).unwrap_or(u16::MAX),
        memory_limit: config.memory.limit_bytes,
    }
}
