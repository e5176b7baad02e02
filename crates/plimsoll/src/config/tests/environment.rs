//! The environment.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use super::{check_refused, variables};
use crate::config::{Origin, Sources, load};

#[test]
fn a_misspelt_variable_is_a_problem() {
    let not_found = "a variable is PLIMSOLL_ and the key in capitals; `plimsoll config` prints all keys";
    for (name, hint) in [
        ("PLIMSOLL_SHUTDWN_GRACE", "the nearest known variable is PLIMSOLL_SHUTDOWN_GRACE"),
        ("PLIMSOLL_CONFG", "the nearest known variable is PLIMSOLL_CONFIG"),
        ("PLIMSOLL_WORKERS", "the number of workers is set by PLIMSOLL_WORKERS_COUNT"),
        ("PLIMSOLL_", not_found),
    ] {
        check_refused(
            &load(&variables(&[(name, "2")])).unwrap_err().to_string(),
            &[(&format!("unknown variable {name}"), &format!("environment variable {name}"), hint)],
        );
    }
}

#[test]
fn variables_that_are_not_settings_are_passed_over() {
    for pairs in [
        // What a nested plimsoll finds in its environment.
        &[("PLIMSOLL_WORKER", "0"), ("PLIMSOLL_WORKERS", "2")][..],
        &[("PLIMSOLL_AGENT_DIR", "/run/x"), ("PLIMSOLL_AGENT_HEAP", "--max-old-space-size=42")],
        // What Kubernetes sets for Services named `plimsoll` and `plimsoll-api`.
        &[
            ("PLIMSOLL_SERVICE_HOST", "10.0.0.1"),
            ("PLIMSOLL_SERVICE_PORT", "80"),
            ("PLIMSOLL_SERVICE_PORT_HTTP", "80"),
            ("PLIMSOLL_PORT", "tcp://10.0.0.1:80"),
            ("PLIMSOLL_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("PLIMSOLL_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("PLIMSOLL_API_PORT_80_TCP_PROTO", "tcp"),
        ],
        &[("PLIMSOLL_TEST_NODE", "/usr/bin/node"), ("plimsoll_x", "1"), ("PLIMSOLLX", "1")],
        // An empty variable is as good as none, known or not.
        &[("PLIMSOLL_ADMIN", ""), ("PLIMSOLL_CONFIG", ""), ("PLIMSOLL_NOTHING", "")],
    ] {
        let effective = load(&variables(pairs)).unwrap();
        assert!(effective.rows().all(|(.., origin)| *origin == Origin::Default), "{pairs:?}");
    }
}

#[test]
fn a_variable_that_is_not_utf8_is_a_problem() {
    let variables = vec![
        ("PLIMSOLL_NAME".into(), OsString::from_vec(vec![0xff])),
        (OsString::from_vec(vec![0xfe]), "x".into()),
    ];
    let problems = load(&Sources { variables, ..Sources::default() }).unwrap_err();
    assert_eq!(problems.0.len(), 1);
    assert_eq!(problems.0[0].what, "name is not UTF-8");
}
