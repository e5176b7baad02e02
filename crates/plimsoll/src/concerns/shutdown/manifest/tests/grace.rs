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

fn fix(command: &str) -> String {
    findings(&Pod { command, ..GOOD }.yaml(), &settings())[0].fix.clone()
}

#[test]
fn a_shell_that_does_nothing_is_left_out() {
    for (command, expected) in [
        (
            "[sh, -c, 'plimsoll run --workers 2 -- node \"a b\"']",
            r#"command: ["plimsoll", "run", "--workers", "2", "--", "node", "a b"]"#,
        ),
        (
            "[/bin/tini, --, bash, -ec, \"/opt/plimsoll run -- node x\\n\"]",
            r#"command: ["/bin/tini", "--", "/opt/plimsoll", "run", "--", "node", "x"]"#,
        ),
        (
            "[sh, -c]\n      args: [plimsoll run -- node x]",
            "command: [\"plimsoll\", \"run\", \"--\", \"node\", \"x\"]\nargs: []",
        ),
        (
            "null\n      args: [sh, -c, plimsoll run -- node x]",
            r#"args: ["plimsoll", "run", "--", "node", "x"]"#,
        ),
    ] {
        assert_eq!(fix(command), expected, "{command}");
    }
}

#[test]
fn a_script_that_does_more_gets_an_exec_and_keeps_the_rest() {
    for (script, expected) in [
        (
            "npx prisma migrate deploy && plimsoll run -- node x",
            "npx prisma migrate deploy && exec plimsoll run -- node x",
        ),
        ("NODE_ENV=production plimsoll run -- node x", "NODE_ENV=production exec plimsoll run -- node x"),
        ("plimsoll run -- node x 2>&1", "exec plimsoll run -- node x 2>&1"),
        ("plimsoll run -- node $APP", "exec plimsoll run -- node $APP"),
        ("plimsoll run -- node x*", "exec plimsoll run -- node x*"),
        ("plimsoll check; /bin/plimsoll run -- node x;", "plimsoll check; exec /bin/plimsoll run -- node x;"),
        ("test -f a || plimsoll run -- node plimsoll", "test -f a || exec plimsoll run -- node plimsoll"),
    ] {
        let exec = "# exec, so that Plimsoll takes the place of the shell\n";
        let in_command = format!(r#"{exec}command: ["sh", "-c", "{expected}"]"#);
        assert_eq!(fix(&format!("[sh, -c, '{script}']")), in_command);
        let in_args = format!("{exec}command: [\"sh\", \"-c\"]\nargs: [\"{expected}\"]");
        assert_eq!(fix(&format!("[sh, -c]\n      args: ['{script}']")), in_args);
    }
    // A shell that reads a profile first does something.
    assert!(
        fix("[bash, -lc, plimsoll run -- node x]")
            .contains(r#"["bash", "-lc", "exec plimsoll run -- node x"]"#)
    );
}

#[test]
fn where_exec_goes_is_said_in_words_if_it_is_not_sure() {
    for script in [
        "plimsoll run -- node x | tee log",
        "yes | plimsoll run -- node x",
        "plimsoll run -- node x; echo done",
        "plimsoll run -- node x & wait",
        "plimsoll run -- node x &",
        "(cd app && plimsoll run -- node x)",
        "if true; then plimsoll run -- node x; fi",
        "while true; do plimsoll run -- node x; done",
        "nice plimsoll run -- node x",
        "plimsoll run -- node x & plimsoll logs -f",
    ] {
        let fix = fix(&format!("[sh, -c, '{script}']"));
        assert!(fix.starts_with("# let `exec plimsoll run …` be the last command"), "{script}: {fix}");
    }
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
        ("[plimsoll, run, sh, -c, 'node x']", &[]),
        ("[plimsoll, run, sh, -c, 'plimsoll check; node x']", &[]),
        ("[sh, -c, 'node x']", &[]),
        ("[sh, -c, 'plimsoll check && exec plimsoll run -- node x']", &[]),
        ("[sh, -c, \"# plimsoll run\\nexec plimsoll run -- node x\"]", &[]),
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
