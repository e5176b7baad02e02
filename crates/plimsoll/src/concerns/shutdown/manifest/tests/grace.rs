//! Time and signals.

use std::time::Duration;

use super::{Code, GOOD, Pod, Settings, check, findings, settings};

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
    for (command, fix) in [
        (
            "[sh, -c, 'plimsoll run --workers 2 -- node \"a b\"']",
            r#"command: ["plimsoll", "run", "--workers", "2", "--", "node", "a b"]"#,
        ),
        (
            "[sh, -c, 'plimsoll run -- node $APP']",
            "# exec, so that Plimsoll takes the place of the shell\ncommand: [sh, -c, \"exec plimsoll run …\"]",
        ),
    ] {
        assert_eq!(findings(&Pod { command, ..GOOD }.yaml(), &settings())[0].fix, fix);
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
