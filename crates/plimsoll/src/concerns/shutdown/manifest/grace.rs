//! Time and signals: does the pod live as long as its drain, and does Plimsoll hear of the stop?

use std::time::Duration;

use super::command::Shell;
use super::node::At;
use super::{Code, Finding, Invocation, Subject, script, shell};

/// What Kubernetes gives a pod that says nothing.
const TERMINATION_GRACE_DEFAULT_S: u64 = 30;
/// Between the last exit and the end of the pod, so that the one never races the other.
const TO_SPARE_S: u64 = 5;
const GRACE: &str = "terminationGracePeriodSeconds";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let pre_stop = pre_stop_sleep(subject.container);
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(too_short(subject, pre_stop.as_ref().map_or(Duration::ZERO, |(_, sleep)| *sleep)));
    findings.extend(pre_stop.and_then(|(at, sleep)| doubled(subject, &at, sleep)));
    findings.extend(stop_signal(subject.container));
    findings.extend(signals_kept(subject.container));
    findings
}

fn too_short(subject: &Subject<'_>, pre_stop: Duration) -> Option<Finding> {
    let (pod, settings) = (&subject.workload.pod, subject.settings);
    let phases = [settings.delay, settings.grace, settings.worker_grace];
    // Saturating: a preStop of the manifest may be any number.
    let needed = phases.into_iter().fold(pre_stop, Duration::saturating_add);
    let given = pod.number_of(GRACE).unwrap_or(TERMINATION_GRACE_DEFAULT_S);
    let missing = needed.checked_sub(Duration::from_secs(given)).filter(|missing| !missing.is_zero())?;
    let parts = [
        ("preStop", pre_stop),
        ("shutdown.delay", settings.delay),
        ("shutdown.grace", settings.grace),
        ("shutdown.worker_grace", settings.worker_grace),
    ];
    let parts =
        parts.map(|(name, length)| (!length.is_zero()).then(|| format!("{name} {}", seconds(length))));
    let sum = parts.into_iter().flatten().collect::<Vec<_>>().join(" + ");
    let what = format!("the pod is killed {} before its drain may end", seconds(missing));
    let why = format!(
        "{sum} = {}, and the pod has {given}s; at the end of it everything is killed, with what is in flight",
        seconds(needed)
    );
    let fix = format!("{GRACE}: {}", whole_seconds(needed).saturating_add(TO_SPARE_S));
    Some(match pod.get(GRACE) {
        Some(field) => Finding::at(&field, Code::TerminationGraceTooShort, what, why, fix),
        None => {
            let what = format!("{what}; Kubernetes gives {given}s by default");
            Finding::missing(pod, GRACE, Code::TerminationGraceTooShort, [what, why, fix])
        }
    })
}

fn doubled(subject: &Subject<'_>, at: &At<'_>, sleep: Duration) -> Option<Finding> {
    let delay = subject.settings.delay;
    (!delay.is_zero() && !sleep.is_zero()).then(|| {
        let what =
            format!("the stop waits twice: {} here and {} in Plimsoll", seconds(sleep), seconds(delay));
        let why =
            "both wait for the load balancers to forget the pod; after SIGTERM Plimsoll does so itself, \
                   with /readyz at 503 meanwhile"
                .to_owned();
        let fix =
            "# remove lifecycle.preStop, or keep it and set:\nenv:\n  - { name: PLIMSOLL_SHUTDOWN_DELAY, \
                   value: \"0s\" }"
                .to_owned();
        Finding::at(at, Code::PreStopDoublesDelay, what, why, fix)
    })
}

/// `lifecycle.preStop`, where it is known how long it sleeps.
fn pre_stop_sleep<'a>(container: &At<'a>) -> Option<(At<'a>, Duration)> {
    let hook = container.descend(&["lifecycle", "preStop"])?;
    let action = hook.get("sleep").and_then(|action| action.number_of("seconds"));
    let sleep = match action {
        Some(length) => Duration::from_secs(length),
        None => sleep_of_command(&hook.get("exec")?.texts_of("command"))?,
    };
    Some((hook, sleep))
}

/// `sleep 5`, or every `sleep` of a shell's script.
fn sleep_of_command(words: &[&str]) -> Option<Duration> {
    let direct: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let last = words.last()?;
    let statements = if words.len() > 2 { script::statements(last) } else { vec![direct] };
    let lengths: Vec<Duration> = statements.iter().filter_map(|statement| sleep(statement)).collect();
    // A sum that overflows is no shorter than the longest time that can be told.
    lengths.into_iter().reduce(Duration::saturating_add)
}

fn sleep(statement: &[String]) -> Option<Duration> {
    let [command, length, ..] = statement else { return None };
    if command != "sleep" && !command.ends_with("/sleep") {
        return None;
    }
    let (number, factor) = match length.strip_suffix('m') {
        Some(minutes) => (minutes, 60.0),
        None => (length.trim_end_matches('s'), 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * factor).ok()
}

fn stop_signal(container: &At<'_>) -> Option<Finding> {
    let field = container.descend(&["lifecycle", "stopSignal"])?;
    let signal = field.text()?;
    let heard = ["SIGTERM", "SIGINT"].contains(&signal);
    (!heard).then(|| {
        let what = format!("{signal} does not begin a drain");
        let why =
            "Plimsoll drains on SIGTERM and SIGINT; after any other signal the pod runs on until it is \
                   killed, or ends at once"
                .to_owned();
        Finding::at(&field, Code::StopSignal, what, why, "lifecycle:\n  stopSignal: SIGTERM".to_owned())
    })
}

fn signals_kept(container: &At<'_>) -> Option<Finding> {
    let invocation = Invocation::of(container);
    if !invocation.is_visible() || invocation.shell == Shell::None {
        return None;
    }
    let field = container.get("command").or_else(|| container.get("args"))?;
    let what = "a shell stands between Kubernetes and Plimsoll".to_owned();
    let why =
        "SIGTERM goes to the shell, and most shells do not pass it on: nothing is drained and the pod is \
               killed at the end of its grace period"
            .to_owned();
    Some(Finding::at(&field, Code::ShellSwallowsSignals, what, why, shell::advice(container)))
}

fn whole_seconds(length: Duration) -> u64 {
    length.as_secs().saturating_add(u64::from(length.subsec_nanos() > 0))
}

fn seconds(length: Duration) -> String {
    format!("{}s", length.as_secs_f64())
}
