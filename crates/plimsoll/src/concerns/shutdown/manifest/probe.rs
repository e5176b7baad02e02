//! Probes: each must ask somebody who knows, at an address that can be reached.
//!
//! Who knows is the admin server: it answers while every event loop is blocked, and tells a pod that is busy
//! from one that is dead, and one that drains from one that is ready.

use std::net::{IpAddr, SocketAddr};

use super::node::At;
use super::{Code, Finding, Settings, Subject};
use crate::config::Admin;

/// What Kubernetes waits for an answer when the probe does not say.
const TIMEOUT_DEFAULT_S: u64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Startup,
    Liveness,
    Readiness,
}

const ROLES: [Role; 3] = [Role::Startup, Role::Liveness, Role::Readiness];

impl Role {
    const fn key(self) -> &'static str {
        match self {
            Self::Startup => "startupProbe",
            Self::Liveness => "livenessProbe",
            Self::Readiness => "readinessProbe",
        }
    }

    /// What it may ask the admin server; the first is the one to advise.
    const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Startup => &["/readyz", "/livez", "/healthz"],
            Self::Liveness => &["/livez", "/healthz"],
            Self::Readiness => &["/readyz"],
        }
    }
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let probes = ROLES.map(|role| subject.container.get(role.key()).map(|at| (role, at)));
    let mut findings: Vec<Finding> = Vec::new();
    for (role, probe) in probes.into_iter().flatten() {
        for finding in judge(subject, role, &probe) {
            // One address is wrong once, however many probes go there.
            let known = |other: &Finding| {
                other.code == Code::AdminUnreachable && finding.code == Code::AdminUnreachable
            };
            if !findings.iter().any(known) {
                findings.push(finding);
            }
        }
    }
    if subject.container.get(Role::Readiness.key()).is_none() {
        findings.push(readiness_missing(subject));
    }
    findings
}

/// What a probe asks. `None` for `exec`: whatever runs in the container is not ours to judge.
struct Question<'a> {
    kind: &'static str,
    at: At<'a>,
    port: At<'a>,
}

fn question<'a>(probe: &At<'a>) -> Option<Question<'a>> {
    ["httpGet", "tcpSocket", "grpc"].into_iter().find_map(|kind| {
        let at = probe.get(kind)?;
        Some(Question { kind, port: at.get("port")?, at })
    })
}

fn judge(subject: &Subject<'_>, role: Role, probe: &At<'_>) -> Vec<Finding> {
    let Some(question) = question(probe) else { return Vec::new() };
    let Some(port) = resolve(subject.container, &question.port) else {
        return vec![unknown_name(subject, role, &question.port)];
    };
    let admin_default = Admin::default().listen.map(|address| address.port());
    let admin = subject.settings.admin;
    if admin.is_some_and(|address| address.port() == port) || admin_default == Some(port) {
        let unreachable = unreachable(subject, role, &question, port);
        return unreachable.into_iter().chain(asked_of_admin(subject, role, &question)).collect();
    }
    asked_of_app(subject, role, probe, &question, port).into_iter().collect()
}

/// A number, or the name of a port of this container.
fn resolve(container: &At<'_>, port: &At<'_>) -> Option<u16> {
    let text = port.text()?;
    text.parse().ok().or_else(|| {
        let ports = container.get("ports")?.items();
        let declared = ports.iter().find(|declared| declared.text_of("name") == Some(text))?;
        u16::try_from(declared.number_of("containerPort")?).ok()
    })
}

fn unknown_name(subject: &Subject<'_>, role: Role, port: &At<'_>) -> Finding {
    let name = port.text().unwrap_or("this");
    let what = format!("the container has no port `{name}`");
    let why = "a probe whose port is not known never succeeds".to_owned();
    Finding::at(port, Code::ProbePort, what, why, fix(role, subject.settings))
}

/// The probe goes to the admin server, but it is not there, or not for the kubelet.
fn unreachable(subject: &Subject<'_>, role: Role, question: &Question<'_>, port: u16) -> Option<Finding> {
    let fix = fix(role, subject.settings);
    let Some(address) = subject.settings.admin else {
        let what = "the admin server is off".to_owned();
        let why = format!("nothing answers on port {port}");
        return Some(Finding::at(&question.port, Code::AdminUnreachable, what, why, fix));
    };
    if address.port() != port {
        let what = format!("the admin server listens on port {}, not on {port}", address.port());
        let why = format!("nothing answers on port {port}");
        return Some(Finding::at(&question.port, Code::ProbePort, what, why, fix));
    }
    let of_node = subject.workload.pod.text_of("hostNetwork") == Some("true");
    let asks_loopback = question.at.text_of("host").is_some_and(is_loopback);
    (address.ip().is_loopback() && !(of_node && asks_loopback)).then(|| {
        let what = format!("the admin server listens on {address}, where no probe arrives");
        let why =
            "the kubelet asks the address of the pod; the pod's own loopback is not reached from outside \
                   it"
            .to_owned();
        Finding::at(&question.port, Code::AdminUnreachable, what, why, fix)
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn asked_of_admin(subject: &Subject<'_>, role: Role, question: &Question<'_>) -> Option<Finding> {
    let fix = fix(role, subject.settings);
    if question.kind != "httpGet" {
        return Some(blind(role, question, fix));
    }
    if question.at.text_of("scheme") == Some("HTTPS") {
        let field = question.at.get("scheme")?;
        let what = "the admin server speaks plain HTTP".to_owned();
        return Some(Finding::at(&field, Code::ProbePath, what, "the probe never succeeds".to_owned(), fix));
    }
    let path = question.at.text_of("path").unwrap_or("/");
    let asked = path.split('?').next().unwrap_or(path);
    let why = match (role, asked) {
        (_, asked) if role.paths().contains(&asked) => return None,
        (Role::Liveness, "/readyz") => {
            "it is 503 during a drain and while no worker is ready, and the pod would be killed for it"
        }
        (Role::Readiness, "/livez" | "/healthz") => {
            "it is 200 before the first worker listens and during a drain: requests would be sent too early and \
             too late"
        }
        (_, "/" | "/status" | "/metrics") => "it is 200 whatever the state of the workers",
        _ => "there is nothing at this path, so the probe never succeeds",
    };
    let what = format!("`{path}` is not the path for a {}", role.key());
    let field = question.at.get("path").unwrap_or_else(|| question.at.clone());
    Some(Finding::at(&field, Code::ProbePath, what, why.to_owned(), fix))
}

fn asked_of_app(
    subject: &Subject<'_>,
    role: Role,
    probe: &At<'_>,
    question: &Question<'_>,
    port: u16,
) -> Option<Finding> {
    let fix = fix(role, subject.settings);
    if !is_declared(subject, port) {
        let what = format!("the container does not declare port {port}, nor is it the admin server's");
        let why =
            "a probe that nobody answers takes the pod out of service, or restarts it for ever".to_owned();
        return Some(Finding::at(&question.port, Code::ProbePort, what, why, fix));
    }
    if question.kind == "tcpSocket" {
        return Some(blind(role, question, fix));
    }
    let timeout = probe.number_of("timeoutSeconds").unwrap_or(TIMEOUT_DEFAULT_S);
    match role {
        Role::Liveness => {
            let what = format!("the liveness probe goes through the app, on port {port}");
            let why = format!(
                "a worker that computes for longer than {timeout}s fails it: Kubernetes kills a pod that is \
                 busy, and the others get its load"
            );
            Some(Finding::at(probe, Code::LivenessThroughApp, what, why, fix))
        }
        Role::Readiness if timeout <= TIMEOUT_DEFAULT_S => {
            let what = format!("the readiness probe waits {timeout}s for an answer of the app");
            let why = "one long computation takes the pod out of service, and its load goes to the others"
                .to_owned();
            let fix = format!("timeoutSeconds: 5\n# or ask the admin server:\n{fix}");
            Some(Finding::at(probe, Code::ProbeTimeout, what, why, fix))
        }
        Role::Readiness | Role::Startup => None,
    }
}

fn blind(role: Role, question: &Question<'_>, fix: String) -> Finding {
    let what = format!("a {} by {} sees a port, not a worker", role.key(), question.kind);
    let why =
        "the connection is accepted by the gateway or the kernel, whatever the state of the app".to_owned();
    Finding::at(&question.at, Code::ProbeBlind, what, why, fix)
}

/// Is something known to listen there? A container that declares no port leaves it open.
fn is_declared(subject: &Subject<'_>, port: u16) -> bool {
    let declared = subject.container.get("ports").map_or_else(Vec::new, |ports| ports.items());
    let by_app = subject.variable("PORT").and_then(|text| text.parse().ok());
    let by_flag = subject.settings.listen.map(|address| address.port());
    declared.is_empty()
        || declared.iter().any(|each| each.number_of("containerPort") == Some(u64::from(port)))
        || [by_app, by_flag].contains(&Some(port))
}

fn readiness_missing(subject: &Subject<'_>) -> Finding {
    let what = "the container has no readiness probe".to_owned();
    let why =
        "requests are sent to the pod from the moment its process runs, before the first worker listens"
            .to_owned();
    let fix = fix(Role::Readiness, subject.settings);
    Finding::missing(subject.container, Role::Readiness.key(), Code::ReadinessMissing, [what, why, fix])
}

/// The probe as it should be, and what makes its address reachable.
fn fix(role: Role, settings: &Settings) -> String {
    let admin = settings.admin.or(Admin::default().listen);
    let port = admin.map_or(0, |address| address.port());
    let open = settings.admin.is_some_and(|address| !address.ip().is_loopback());
    let address = SocketAddr::from(([0, 0, 0, 0], port));
    let variable = match open {
        true => String::new(),
        false => format!("env:\n  - {{ name: PLIMSOLL_ADMIN, value: \"{address}\" }}\n"),
    };
    let path = role.paths().first().copied().unwrap_or_default();
    let key = role.key();
    format!("{variable}{key}:\n  httpGet: {{ path: {path}, port: {port} }}\n  timeoutSeconds: 2")
}
