//! Limits and rollouts.

use super::{Code, GOOD, Pod, Settings, WorkerCount, check, findings, settings};

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
