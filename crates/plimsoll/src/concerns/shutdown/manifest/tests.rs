//! Manifests in, codes and places out.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn settings() -> Settings {
    Settings {
        delay: Duration::from_secs(5),
        grace: Duration::from_secs(25),
        worker_grace: Duration::from_secs(5),
        workers: WorkerCount::Exactly(1),
        admin: Some(SocketAddr::from(([0, 0, 0, 0], 9797))),
        listen: None,
    }
}

/// A pod with nothing wrong; a test puts in what it is about.
struct Pod<'a> {
    pod: &'a str,
    command: &'a str,
    env: &'a str,
    probes: &'a str,
    container: &'a str,
    limits: &'a str,
}

const READY: &str = "readinessProbe: { httpGet: { path: /readyz, port: 9797 } }";
const GOOD: Pod<'static> = Pod {
    pod: "terminationGracePeriodSeconds: 35",
    command: "[plimsoll, run, --, node, server.js]",
    env: "[]",
    probes: READY,
    container: "",
    limits: "{ memory: 512Mi }",
};

impl Pod<'_> {
    fn yaml(&self) -> String {
        let Self { pod, command, env, probes, container, limits } = self;
        format!(
            "kind: Pod\nmetadata: {{ name: shop }}\nspec:\n  {pod}\n  containers:\n    - name: app\n      \
             command: {command}\n      env: {env}\n      ports: [{{ name: http, containerPort: 3000 }}]\n      \
             resources: {{ limits: {limits} }}\n      {probes}\n      {container}\n"
        )
    }
}

fn findings(yaml: &str, settings: &Settings) -> Vec<Finding> {
    let documents = parse(yaml).unwrap();
    let workloads = workloads(&documents);
    let of_one = |workload: &Workload<'_>| match workload.choose(None) {
        Choice::Certain(container) | Choice::Only(container) => examine(workload, &container, settings),
        Choice::None => Vec::new(),
    };
    workloads.iter().flat_map(of_one).collect()
}

fn check(pod: &Pod<'_>, settings: &Settings, expected: &[Code]) {
    let yaml = pod.yaml();
    let found = findings(&yaml, settings);
    let codes: Vec<Code> = found.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, expected, "{yaml}\n{found:#?}");
    for finding in found {
        let fix = parse(&finding.fix);
        assert!(fix.is_ok(), "a fix is YAML: {fix:?}\n{}", finding.fix);
        assert!(!finding.what.ends_with('.') && !finding.path.is_empty(), "{finding:?}");
    }
}

#[test]
fn what_is_right_is_not_found_fault_with() {
    check(&GOOD, &settings(), &[]);
}

#[test]
fn the_pod_lives_as_long_as_its_drain() {
    const SHORT: &[Code] = &[Code::TerminationGraceTooShort];
    const SLEEP: &str = "lifecycle: { preStop: { sleep: { seconds: 5 } } }";
    let without_delay = Settings { delay: Duration::ZERO, ..settings() };
    for (pod, container, settings, expected) in [
        ("terminationGracePeriodSeconds: 34", "", settings(), SHORT),
        ("terminationGracePeriodSeconds: 35", "", settings(), &[]),
        // The default is 30.
        ("nodeName: a", "", settings(), SHORT),
        ("nodeName: a", "", without_delay.clone(), &[]),
        ("terminationGracePeriodSeconds: ", "", settings(), SHORT),
        ("terminationGracePeriodSeconds: 35", SLEEP, without_delay.clone(), &[]),
        ("terminationGracePeriodSeconds: 34", SLEEP, without_delay, SHORT),
    ] {
        check(&Pod { pod, container, ..GOOD }, &settings, expected);
    }
    let sum = findings(&Pod { pod: "terminationGracePeriodSeconds: 30", ..GOOD }.yaml(), &settings());
    assert!(
        sum[0].why.starts_with("shutdown.delay 5s + shutdown.grace 25s + shutdown.worker_grace 5s = 35s")
    );
    assert_eq!(sum[0].fix, "terminationGracePeriodSeconds: 40");
}

#[test]
fn a_pre_stop_that_sleeps_doubles_the_delay() {
    for (action, doubled) in [
        ("sleep: { seconds: 5 }", true),
        ("sleep: { seconds: 0 }", false),
        ("exec: { command: [sleep, '5'] }", true),
        ("exec: { command: [/bin/sleep, 10s] }", true),
        ("exec: { command: [sh, -c, 'sleep 5'] }", true),
        ("exec: { command: [/bin/sh, -c, 'echo bye; sleep 0.5m && true'] }", true),
        ("exec: { command: [/app/flush] }", false),
        ("exec: { command: [sh, -c, 'sleep $DELAY'] }", false),
        ("httpGet: { path: /bye, port: 3000 }", false),
    ] {
        let container = format!("lifecycle: {{ preStop: {{ {action} }} }}");
        let pod = Pod { pod: "terminationGracePeriodSeconds: 100", container: &container, ..GOOD };
        check(&pod, &settings(), if doubled { &[Code::PreStopDoublesDelay] } else { &[] });
        check(&pod, &Settings { delay: Duration::ZERO, ..settings() }, &[]);
    }
    let endless = "lifecycle: { preStop: { sleep: { seconds: 18446744073709551615 } } }";
    let found = findings(&Pod { container: endless, ..GOOD }.yaml(), &settings());
    assert_eq!(found.len(), 2, "no overflow");
}

#[test]
fn plimsoll_hears_of_the_stop() {
    const SHELL: &[Code] = &[Code::ShellSwallowsSignals];
    for (command, expected) in [
        ("[sh, -c, 'plimsoll run -- node x']", SHELL),
        ("[/bin/bash, -ec, \"cd /app && \\\\\\n  plimsoll run -- node x\"]", SHELL),
        ("[tini, --, sh, -c, 'plimsoll run -- node x']", SHELL),
        ("[sh, -c, 'cd /app; exec plimsoll run -- node x']", &[]),
        ("[tini, --, /usr/bin/plimsoll, run, --, node, x]", &[]),
        ("[plimsoll, run, --, sh, -c, 'node x']", &[]),
        ("[sh, -c, 'node x']", &[]),
    ] {
        check(&Pod { command, ..GOOD }, &settings(), expected);
    }
    for (signal, expected) in [
        ("SIGTERM", &[][..]),
        ("SIGINT", &[]),
        ("SIGQUIT", &[Code::StopSignal]),
        ("SIGKILL", &[Code::StopSignal]),
    ] {
        let container = format!("lifecycle: {{ stopSignal: {signal} }}");
        check(&Pod { container: &container, ..GOOD }, &settings(), expected);
    }
}

#[test]
fn probes_ask_somebody_who_knows() {
    use Code::{LivenessThroughApp, ProbeBlind, ProbePath, ProbePort, ProbeTimeout};
    for (probe, expected) in [
        ("livenessProbe: { httpGet: { path: /livez, port: 9797 } }", &[][..]),
        ("livenessProbe: { httpGet: { path: /healthz, port: 9797 } }", &[]),
        ("livenessProbe: { httpGet: { path: /readyz, port: 9797 } }", &[ProbePath]),
        ("livenessProbe: { httpGet: { path: /live, port: 9797 } }", &[ProbePath]),
        ("livenessProbe: { httpGet: { port: 9797 } }", &[ProbePath]),
        ("livenessProbe: { httpGet: { path: /livez, port: 9797, scheme: HTTPS } }", &[ProbePath]),
        ("livenessProbe: { httpGet: { path: /health, port: 3000 } }", &[LivenessThroughApp]),
        (
            "livenessProbe: { httpGet: { path: /health, port: http }, timeoutSeconds: 9 }",
            &[LivenessThroughApp],
        ),
        ("livenessProbe: { httpGet: { path: /livez, port: admin } }", &[ProbePort]),
        ("livenessProbe: { httpGet: { path: /livez, port: 9798 } }", &[ProbePort]),
        ("livenessProbe: { tcpSocket: { port: 3000 } }", &[ProbeBlind]),
        ("livenessProbe: { tcpSocket: { port: 9797 } }", &[ProbeBlind]),
        ("livenessProbe: { grpc: { port: 3000 } }", &[LivenessThroughApp]),
        ("livenessProbe: { exec: { command: [curl, -f, 'localhost:3000'] } }", &[]),
        ("startupProbe: { httpGet: { path: /readyz, port: 9797 } }", &[]),
        ("startupProbe: { httpGet: { path: /health, port: 3000 } }", &[]),
        ("startupProbe: { httpGet: { path: /, port: 9797 } }", &[ProbePath]),
    ] {
        check(&Pod { probes: &format!("{probe}\n      {READY}"), ..GOOD }, &settings(), expected);
    }
    for (probes, expected) in [
        ("", &[Code::ReadinessMissing][..]),
        ("readinessProbe: { httpGet: { path: /livez, port: 9797 } }", &[ProbePath]),
        ("readinessProbe: { httpGet: { path: /ready, port: 3000 } }", &[ProbeTimeout]),
        ("readinessProbe: { httpGet: { path: /ready, port: 3000 }, timeoutSeconds: 3 }", &[]),
        ("readinessProbe: { exec: { command: [true] } }", &[]),
    ] {
        check(&Pod { probes, ..GOOD }, &settings(), expected);
    }
}

#[test]
fn the_admin_server_is_reached_by_the_kubelet() {
    use Code::{AdminUnreachable, ProbePort};
    let both = format!("livenessProbe: {{ httpGet: {{ path: /livez, port: 9797 }} }}\n      {READY}");
    let of_node = "{ terminationGracePeriodSeconds: 35, hostNetwork: true }";
    let on_loopback = "readinessProbe: { httpGet: { path: /readyz, port: 9797, host: 127.0.0.1 } }";
    for (admin, pod, probes, expected) in [
        (Some("127.0.0.1:9797"), GOOD.pod, both.as_str(), &[AdminUnreachable][..]),
        (Some("[::1]:9797"), GOOD.pod, READY, &[AdminUnreachable]),
        (Some("[::]:9797"), GOOD.pod, &both, &[]),
        (Some("0.0.0.0:9900"), GOOD.pod, READY, &[ProbePort]),
        (None, GOOD.pod, READY, &[AdminUnreachable]),
        (Some("127.0.0.1:9797"), GOOD.pod, on_loopback, &[AdminUnreachable]),
        (Some("127.0.0.1:9797"), of_node, on_loopback, &[]),
        (Some("127.0.0.1:9797"), GOOD.pod, "", &[Code::ReadinessMissing]),
    ] {
        let settings = Settings { admin: admin.map(|admin| admin.parse().unwrap()), ..settings() };
        let pod = match pod.strip_prefix('{') {
            Some(pod) => pod.trim_end_matches('}').trim().replace(", ", "\n  "),
            None => pod.to_owned(),
        };
        check(&Pod { pod: &pod, probes, ..GOOD }, &settings, expected);
    }
}

#[test]
fn heaps_and_workers_fit_into_the_limits() {
    use Code::{CpuLimitTooSmall, MemoryLimitMissing, MemoryOversubscribed};
    let heap = |value: &str| format!("[{{ name: NODE_OPTIONS, value: {value} }}]");
    let command = "[plimsoll, run, --, node, --max-old-space-size=300, x]";
    let auto = WorkerCount::Auto;
    for (workers, limits, env, command, expected) in [
        (WorkerCount::Exactly(1), "{ memory: 512Mi }", "[]", GOOD.command, &[][..]),
        (WorkerCount::Exactly(1), "{ memory: 100Mi }", "[]", GOOD.command, &[MemoryOversubscribed]),
        (WorkerCount::Exactly(2), "{ memory: 1Gi }", "[]", GOOD.command, &[MemoryOversubscribed]),
        (WorkerCount::Exactly(2), "{ memory: 1Gi }", &heap("--max-old-space-size=320"), GOOD.command, &[]),
        (
            WorkerCount::Exactly(2),
            "{ memory: 1Gi }",
            &heap("--max_old_space_size=700"),
            GOOD.command,
            &[MemoryOversubscribed],
        ),
        (
            WorkerCount::Exactly(2),
            "{ memory: 1Gi }",
            &heap("--max-old-space-size-percentage=30"),
            GOOD.command,
            &[],
        ),
        (WorkerCount::Exactly(2), "{ memory: 1Gi }", "[]", command, &[]),
        (WorkerCount::Exactly(2), "{ memory: 64Gi }", "[]", GOOD.command, &[]),
        (WorkerCount::Exactly(2), "{ cpu: 500m, memory: 64Gi }", "[]", GOOD.command, &[CpuLimitTooSmall]),
        (WorkerCount::Exactly(1), "{ cpu: 500m, memory: 1G }", "[]", GOOD.command, &[]),
        (WorkerCount::Exactly(1), "{ cpu: 1 }", "[]", GOOD.command, &[MemoryLimitMissing]),
        (auto, "{ cpu: 2.9, memory: 1Gi }", "[]", GOOD.command, &[MemoryOversubscribed]),
        (auto, "{ memory: 1Gi }", "[]", GOOD.command, &[]),
    ] {
        let settings = Settings { workers, ..settings() };
        check(&Pod { limits, env, command, ..GOOD }, &settings, expected);
    }
    let two = Settings { workers: WorkerCount::Exactly(2), ..settings() };
    let env = heap("--enable-source-maps");
    let found = findings(&Pod { limits: "{ memory: 1Gi }", env: &env, ..GOOD }.yaml(), &two);
    assert_eq!(found[0].what, "2 workers may take 1144 MB of 1024 MB");
    let fix = "env:\n  - { name: NODE_OPTIONS, value: \"--enable-source-maps --max-old-space-size=324\" }";
    assert_eq!(found[0].fix, fix);
}

/// The codes of a workload whose pod is well.
fn of_workload(head: &str) -> Vec<Code> {
    let pod = GOOD.yaml().split_once("spec:\n").unwrap().1.replace("\n  ", "\n      ");
    let yaml = format!("{head}\n  template:\n    spec:\n      {}", pod.trim_start());
    findings(&yaml, &settings()).iter().map(|finding| finding.code).collect()
}

#[test]
fn somebody_is_left_to_serve_during_a_deploy() {
    for (head, outage) in [
        ("kind: Deployment\nspec:", false),
        ("kind: Deployment\nspec:\n  replicas: 1", false),
        ("kind: Deployment\nspec:\n  replicas: 3\n  strategy: { type: Recreate }", true),
        ("kind: Deployment\nspec:\n  replicas: 0\n  strategy: { type: Recreate }", false),
        ("kind: Deployment\nspec:\n  strategy: { rollingUpdate: { maxUnavailable: 1 } }", true),
        ("kind: Deployment\nspec:\n  strategy: { rollingUpdate: { maxSurge: 0 } }", true),
        ("kind: Deployment\nspec:\n  replicas: 3\n  strategy: { rollingUpdate: { maxSurge: 0 } }", false),
        (
            "kind: Deployment\nspec:\n  replicas: 3\n  strategy: { rollingUpdate: { maxUnavailable: 100% } }",
            true,
        ),
        (
            "kind: Deployment\nspec:\n  replicas: 3\n  strategy: { rollingUpdate: { maxUnavailable: 50% } }",
            false,
        ),
        ("kind: StatefulSet\nspec:\n  replicas: 1", true),
        ("kind: StatefulSet\nspec:\n  replicas: 2", false),
        ("kind: DaemonSet\nspec:", false),
        ("kind: ReplicaSet\nspec:", false),
    ] {
        let expected: &[Code] = if outage { &[Code::DeployIsOutage] } else { &[] };
        assert_eq!(of_workload(head), expected, "{head}");
    }
    let scaled = "kind: HorizontalPodAutoscaler\nspec:\n  scaleTargetRef: { kind: Deployment, name: shop }\n  \
                  minReplicas: 2\n---\nkind: Deployment\nmetadata: { name: shop }\nspec:\n  strategy: { \
                  rollingUpdate: { maxUnavailable: 1 } }";
    assert_eq!(of_workload(scaled), []);
}

#[test]
fn a_finding_is_where_it_was_written() {
    let yaml = "\
# a comment
kind: ConfigMap
---
kind: List
items:
  - kind: Service
  - kind: Deployment
    metadata: { name: shop }
    spec:
      template:
        spec:
          terminationGracePeriodSeconds: 20
          containers:
            - name: proxy
            - name: app
              command: [plimsoll, run, --, node, x]
              resources: { limits: { memory: 512Mi } }
              livenessProbe:
                httpGet:
                  path: /readyz
                  port: 9797
";
    let found = findings(yaml, &settings());
    let places: Vec<_> =
        found.iter().map(|each| (each.position.line, each.position.column, &*each.path)).collect();
    assert_eq!(
        places,
        [
            (12, 11, "items[1].spec.template.spec.terminationGracePeriodSeconds"),
            (15, 15, "items[1].spec.template.spec.containers[1].readinessProbe"),
            (20, 19, "items[1].spec.template.spec.containers[1].livenessProbe.httpGet.path"),
        ]
    );
}

#[test]
fn anchors_merge_and_repeated_keys_are_errors() {
    let merged = parse("a: &a { x: 1, y: 2 }\nb: { <<: *a, y: 3 }").unwrap();
    let root = At::root(&merged[0]);
    assert_eq!(root.descend(&["b", "x"]).unwrap().text(), Some("1"));
    assert_eq!(root.descend(&["b", "y"]).unwrap().text(), Some("3"));
    let error = |yaml: &str| parse(yaml).unwrap_err();
    let twice = error("a: 1\nb:\n  c: 1\n  c: 2\n");
    assert_eq!(
        (twice.what.as_str(), twice.position),
        ("the key `c` stands here twice", Position { line: 4, column: 3 })
    );
    assert_eq!(error("a: b: c\n").position.line, 1);
    assert_eq!(error("a: 1\nb: [1, 2\n").position.line, 3);
    assert!(error(&"[".repeat(100)).what.starts_with("nested deeper"));
}

#[test]
fn aliases_do_not_blow_up() {
    let wide: String = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1)
    });
    assert!(parse(&wide).unwrap_err().what.starts_with("more than"));
    let deep: String =
        (1..100).fold("a0: &a0 [x]\n".to_owned(), |text, n| format!("{text}a{n}: &a{n} [*a{}]\n", n - 1));
    assert!(parse(&deep).unwrap_err().what.starts_with("nested deeper"));
    assert!(parse("a: &a [*a]").is_err());
}

#[test]
fn quantities_are_those_of_kubernetes() {
    for (text, expected) in [
        ("512Mi", Some(536_870_912.0)),
        ("1G", Some(1e9)),
        ("1e9", Some(1e9)),
        ("250m", Some(0.25)),
        ("2", Some(2.0)),
        (".5", Some(0.5)),
        ("1E", Some(1e18)),
        ("Mi", None),
        ("inf", None),
        ("-1", None),
        ("1 Gi", None),
        ("", None),
    ] {
        assert_eq!(quantity::parse(text), expected, "{text}");
    }
}

#[test]
fn a_script_is_taken_apart_as_a_shell_would() {
    for (script, expected) in [
        ("a b; c", &[&["a", "b"][..], &["c"]][..]),
        ("a 'b c' \"d \\\" e\"&&f", &[&["a", "b c", "d \" e"], &["f"]]),
        ("a \\\n  b\nc", &[&["a", "b"], &["c"]]),
        ("a ''", &[&["a", ""]]),
        ("a 'open", &[&["a", "open"]]),
    ] {
        assert_eq!(command::statements(script), expected, "{script}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        if let Ok(documents) = parse(&text) {
            prop_assert!(workloads(&documents).len() <= text.len());
        }
    }

    /// A manifest with pieces put in at random places: near enough to be read, wrong enough to surprise.
    #[test]
    fn no_manifest_makes_it_panic(
        cuts in prop::collection::vec((0_usize..700, "[-:{}\\[\\]&*!|>'\"%#, \n a0~<]{0,6}"), 0..4),
        value in "[0-9a-zA-Z%.:/~-]{0,20}",
    ) {
        let mut yaml = GOOD.yaml().replace("512Mi", &value);
        for (at, piece) in cuts {
            if let Some((at, _)) = yaml.char_indices().nth(at) {
                yaml.insert_str(at, &piece);
            }
        }
        if let Ok(documents) = parse(&yaml) {
            for workload in &workloads(&documents) {
                if let Choice::Certain(container) | Choice::Only(container) = workload.choose(None) {
                    prop_assert!(examine(workload, &container, &settings()).len() < 20);
                }
            }
        }
    }
}
