//! Tables: sources in, settings or problems out.

mod environment;
mod file;
mod forms;
mod rendering;
mod sinks;

use std::ffi::OsString;
use std::fmt::Write as _;

use super::*;

/// Loads `text` as the settings file. The temporary folder is taken out of the messages.
fn load_file(text: impl AsRef<[u8]>, sources: Sources) -> Result<Effective, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plimsoll.toml");
    std::fs::write(&path, text).unwrap();
    load(&Sources { file: Some(path), ..sources })
        .map_err(|problems| problems.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn variables(pairs: &[(&str, &str)]) -> Sources {
    let variables = pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    Sources { variables, ..Sources::default() }
}

fn flag(key: &'static str, text: &str) -> Sources {
    Sources { flags: vec![(key, text.to_owned(), "--flag".to_owned())], ..Sources::default() }
}

/// The effective value of `key`, and its origin.
fn row(effective: &Effective, key: &str) -> (String, String) {
    let found = effective.rows().find(|(setting, ..)| setting.key() == key).unwrap();
    (found.1, found.2.to_string())
}

/// Each problem must name all three parts: `what | where | hint`.
fn check_refused(problems: &str, expected: &[(&str, &str, &str)]) {
    let mut text = String::new();
    for (index, (what, place, hint)) in expected.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n\n" };
        write!(text, "{gap}error: {what}\n   at: {place}\n hint: {hint}").unwrap();
    }
    assert_eq!(problems, text);
}

#[test]
fn everything_has_a_default() {
    let effective = load(&Sources::default()).unwrap();
    assert_eq!(effective.config.workers.count, WorkerCount::Exactly(1));
    assert_eq!(effective.config.gateway.threads, 1);
    assert!(effective.rows().all(|(.., origin)| *origin == Origin::Default));
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let variable = ("PLIMSOLL_SHUTDOWN_GRACE", "3s");
    let key = "shutdown.grace";
    let with_flag = Sources { flags: flag(key, "4s").flags, ..variables(&[variable]) };
    for (file, sources, expected) in [
        ("", Sources::default(), ("25s", "default")),
        ("\n[shutdown]\ngrace = '2s'", Sources::default(), ("2s", ":3")),
        ("shutdown.grace = '2s'", variables(&[variable]), ("3s", "PLIMSOLL_SHUTDOWN_GRACE")),
        ("shutdown.grace = '2s'", with_flag, ("4s", "--flag")),
    ] {
        let (value, origin) = row(&load_file(file, sources).unwrap(), key);
        assert_eq!(value, expected.0);
        assert!(origin.ends_with(expected.1), "{origin}");
    }
}

#[test]
fn the_platforms_number_of_workers_is_only_a_default() {
    let platform = [("WEB_CONCURRENCY", "4")];
    let both = [("WEB_CONCURRENCY", "4"), ("PLIMSOLL_WORKERS_COUNT", "2")];
    let rubbish = [("WEB_CONCURRENCY", "many"), ("PLIMSOLL_WORKERS_COUNT", "auto")];
    for (file, pairs, expected) in [
        ("", &platform[..], ("4", "WEB_CONCURRENCY")),
        ("workers.count = 3", &platform, ("3", "plimsoll.toml:1")),
        ("", &both, ("2", "PLIMSOLL_WORKERS_COUNT")),
        ("", &rubbish, ("auto", "PLIMSOLL_WORKERS_COUNT")),
        ("", &[("WEB_CONCURRENCY", "")], ("1", "default")),
    ] {
        let (value, origin) = row(&load_file(file, variables(pairs)).unwrap(), "workers.count");
        assert_eq!(value, expected.0);
        assert!(origin.ends_with(expected.1), "{origin}");
    }
    check_refused(
        &load(&variables(&[("WEB_CONCURRENCY", "many")])).unwrap_err().to_string(),
        &[(
            "workers.count: `many` is not a number",
            "environment variable WEB_CONCURRENCY",
            "write a number from 1 to 1024, or `auto`",
        )],
    );
}

#[test]
fn a_second_gateway_thread_comes_with_the_eighth_cpu() {
    for (cpus, threads) in [(1, 1), (7, 1), (8, 2), (64, 2)] {
        let effective = load(&Sources { cpus, ..Sources::default() }).unwrap();
        assert_eq!(effective.config.gateway.threads, threads, "{cpus} CPUs");
    }
}
