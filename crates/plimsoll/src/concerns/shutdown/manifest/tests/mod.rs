//! Manifests in, codes and places out.

mod grace;
mod probe;
mod reading;
mod resources;

use std::net::SocketAddr;
use std::time::Duration;

use super::*;

fn settings() -> Settings {
    Settings {
        delay: Duration::from_secs(5),
        grace: Duration::from_secs(25),
        worker_grace: Duration::from_secs(5),
        workers: WorkerCount::Exactly(1),
        admin: Some(SocketAddr::from(([0, 0, 0, 0], 9797))),
        listen: None,
        heaps: Rule::Auto,
        surge: 1,
        memory_limit: None,
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
    let workloads = workloads(&documents, &autoscalers(&documents));
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
