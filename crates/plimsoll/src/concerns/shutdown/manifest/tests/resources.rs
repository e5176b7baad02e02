//! Limits and rollouts.

use super::{Code, GOOD, Pod, Rule, Settings, WorkerCount, check, findings, settings};

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
        let settings = Settings { workers, heaps: Rule::Off, ..settings() };
        check(&Pod { limits, env, command, ..GOOD }, &settings, expected);
    }
    let two = Settings { workers: WorkerCount::Exactly(2), heaps: Rule::Off, ..settings() };
    let env = heap("--enable-source-maps");
    let found = findings(&Pod { limits: "{ memory: 1Gi }", env: &env, ..GOOD }.yaml(), &two);
    assert_eq!(found[0].what, "2 workers may take 1144 MB of 1024 MB");
    let fix = "env:\n  - { name: NODE_OPTIONS, value: \"--enable-source-maps --max-old-space-size=324\" }";
    assert_eq!(found[0].fix, fix);
}

#[test]
fn heaps_that_plimsoll_makes_fit_unless_there_is_too_little_for_any() {
    let decided = |option: &str| format!("[{{ name: NODE_OPTIONS, value: {option} }}]");
    let bad = &[Code::MemoryOversubscribed][..];
    let (mb, one) = (1 << 20, Settings { workers: WorkerCount::Exactly(1), ..settings() });
    let two = Settings { workers: WorkerCount::Exactly(2), ..one.clone() };
    for (settings, limits, env, expected) in [
        (&two, "{ memory: 1Gi }", "[]".to_owned(), &[][..]),
        (&two, "{ memory: 256Mi }", "[]".to_owned(), bad),
        (&one, "{ memory: 100Mi }", "[]".to_owned(), bad),
        (&Settings { heaps: Rule::Size(700 * mb), ..two.clone() }, "{ memory: 1Gi }", "[]".to_owned(), bad),
        (&Settings { heaps: Rule::Size(300 * mb), ..two.clone() }, "{ memory: 1Gi }", "[]".to_owned(), &[]),
        (&Settings { memory_limit: Some(4096 * mb), ..two.clone() }, "{ memory: 1Gi }", "[]".to_owned(), bad),
        // Then Plimsoll keeps out of it, and V8 takes half.
        (&two, "{ memory: 1Gi }", decided("--max-semi-space-size=32"), bad),
    ] {
        check(&Pod { limits, env: &env, ..GOOD }, settings, expected);
    }
    let found = findings(&Pod { limits: "{ memory: 256Mi }", ..GOOD }.yaml(), &two);
    assert_eq!(found[0].what, "each worker gets 64 MB, which is less than an app needs");
    assert_eq!(found[0].fix, "resources:\n  limits: { memory: 1280Mi }");
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
}

#[test]
fn an_autoscaler_says_how_many_are_left() {
    const HPA: &str = "kind: HorizontalPodAutoscaler\n";
    const KEDA: &str = "kind: ScaledObject\n";
    let target = |kind: &str| format!("spec:\n  scaleTargetRef: {{ {kind}name: shop }}\n");
    let (deployment, any) = (target("kind: Deployment, "), target(""));
    let (ours, theirs) = ("metadata: { namespace: a }\n", "metadata: { namespace: b }\n");
    for (scaler, outage) in [
        (format!("{HPA}{deployment}  minReplicas: 2"), false),
        (format!("{HPA}{deployment}  minReplicas: 1"), true),
        (format!("{HPA}{deployment}"), true),
        (format!("{HPA}{any}  minReplicas: 2"), true),
        (format!("{HPA}{}  minReplicas: 2", target("kind: StatefulSet, ")), true),
        (format!("{HPA}{ours}{deployment}  minReplicas: 2"), false),
        (format!("{HPA}{theirs}{deployment}  minReplicas: 2"), true),
        (format!("{KEDA}{any}  minReplicaCount: 2"), false),
        (format!("{KEDA}{ours}{any}  minReplicaCount: 2"), false),
        (format!("{KEDA}{theirs}{any}  minReplicaCount: 2"), true),
        // From none to one and back: while there is one, a deploy must not take it.
        (format!("{KEDA}{any}"), true),
        (format!("{KEDA}{any}  minReplicaCount: 0"), true),
    ] {
        let head = format!(
            "{scaler}\n---\nkind: Deployment\nmetadata: {{ name: shop, namespace: a }}\nspec:\n  strategy: {{ \
             rollingUpdate: {{ maxUnavailable: 1 }} }}"
        );
        let expected: &[Code] = if outage { &[Code::DeployIsOutage] } else { &[] };
        assert_eq!(of_workload(&head), expected, "{head}");
    }
}
