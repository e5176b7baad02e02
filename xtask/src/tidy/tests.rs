//! Tables: a file in, findings out.

use super::code::without_comments_and_strings;
use super::{Finding, check};

/// `line: what` of each finding.
fn found(path: &str, text: &str) -> Vec<String> {
    let exists = |path: &str| ["docs", "docs/operate.md", "crates/plimsoll/src/main.rs"].contains(&path);
    let shown = |finding: Finding| format!("{}: {}", finding.line, finding.what);
    check(path, text, &exists).into_iter().map(shown).collect()
}

fn check_table(table: &[(&str, &str, &[&str])]) {
    for (path, text, expected) in table {
        assert_eq!(found(path, text), *expected, "{path}: {text}");
    }
}

#[test]
fn arrows_point_one_way() {
    const GATEWAY: &str = "crates/plimsoll/src/gateway/forward.rs";
    const WORKERS: &str = "crates/plimsoll/src/workers/spawn.rs";
    const CONCERN: &str = "crates/plimsoll/src/concerns/shutdown/fleet.rs";
    const SYS: &str = "crates/plimsoll/src/sys/signals.rs";
    const OBSERVE: &str = "crates/plimsoll/src/observe/http.rs";
    check_table(&[
        (GATEWAY, "use crate::config;\nuse crate::ids::EndpointId;\nuse crate::observe::http;", &[]),
        (GATEWAY, "use crate::workers::spawn;", &["1: `gateway` uses `workers`"]),
        (GATEWAY, "use crate::{config, ids::{A, B}, workers};", &["1: `gateway` uses `workers`"]),
        (GATEWAY, "use crate::{\n    config,\n    workers::{A, B},\n};", &["1: `gateway` uses `workers`"]),
        (GATEWAY, "\nfn f() { crate::app::run() }", &["2: `gateway` uses `app`"]),
        (GATEWAY, "use super::super::workers::X;", &["1: `gateway` uses `workers`"]),
        (GATEWAY, "use super::super::links::X;", &[]),
        (GATEWAY, "// use crate::workers::spawn;\nlet a = \"crate::workers\";", &[]),
        (GATEWAY, "use other_crate::workers;", &[]),
        (WORKERS, "use crate::gateway::Load;", &["1: `workers` uses `gateway`"]),
        ("crates/plimsoll/src/workers.rs", "use crate::gateway::Load;", &["1: `workers` uses `gateway`"]),
        (CONCERN, "use crate::config::Config;\nuse plimsoll_wire::frame;\nuse crate::concerns::logs;", &[]),
        (
            CONCERN,
            "use crate::sys;\nuse crate::observe;",
            &["1: `concerns` uses `sys`", "2: `concerns` uses `observe`"],
        ),
        (SYS, "use crate::ids::WorkerId;", &[]),
        (
            SYS,
            "use crate::config;\nuse plimsoll_wire::names;",
            &["1: `sys` uses `config`", "2: `sys` uses `plimsoll_wire`"],
        ),
        (OBSERVE, "use crate::gateway::Gateway;", &["1: `observe` uses `gateway`"]),
        (OBSERVE, "use crate::workers::Fleet;", &["1: `observe` uses `workers`"]),
        ("crates/plimsoll/src/app.rs", "use crate::{gateway, workers};", &[]),
        ("crates/plimsoll/src/cli/ps.rs", "use crate::observe;", &[]),
        (
            "crates/plimsoll/src/fresh/x.rs",
            "",
            &["1: module `fresh` has no row in the table of arrows in xtask"],
        ),
        ("crates/plimsoll/tests/it/main.rs", "use crate::workers;", &[]),
    ]);
}

#[test]
fn lints_are_expected_not_allowed_and_tests_run() {
    const FILE: &str = "crates/plimsoll/src/gateway/x.rs";
    check_table(&[
        (FILE, "#[expect(dead_code, reason = \"x\")]", &[]),
        (FILE, "#[allow(dead_code)]", &["1: `#[allow`"]),
        (FILE, "#![allow(dead_code)]", &["1: `#![allow`"]),
        (FILE, "#[test]\n#[ignore]\nfn x() {}", &["2: `#[ignore`"]),
        (FILE, "#[should_panic]", &["1: `#[should_panic`"]),
        (FILE, "fn x() { todo!() }", &["1: `todo!`"]),
        (FILE, "// todo!() and #[allow\nlet x = \"#[ignore]\"; let y = r#\"todo!()\"#;", &[]),
    ]);
}

#[test]
fn the_agent_uses_no_timer_that_the_app_may_replace() {
    const FILE: &str = "crates/plimsoll-agent/js/x.js";
    const TAKES: &str = "const { nextTick, setTimeout } = require('./apart.js')\n";
    check_table(&[
        (FILE, "setTimeout(look, 1)", &["1: the app's `setTimeout`"]),
        (FILE, "const now = performance.now()", &["1: the app's `performance`"]),
        (FILE, &format!("{TAKES}setTimeout(nextTick(1))"), &[]),
        (FILE, &format!("{TAKES}clearTimeout(timer)"), &["2: the app's `clearTimeout`"]),
        (FILE, "process.nextTick(look)", &["1: the app's `nextTick`"]),
        (FILE, "// setTimeout(a)\n/**\n * performance.now()\n */", &[]),
        (
            FILE,
            "socket.setTimeout(1); timers.clearTimeout(theirs); apart.performance.now(); unsetTimeout(1)",
            &[],
        ),
        (FILE, "setTimeout.call(this, timeout)", &[]),
        ("crates/plimsoll-agent/js/apart.js", "setTimeout(look, 1)", &[]),
        ("crates/plimsoll-agent/test/x.test.js", "setTimeout(look, 1)", &[]),
    ]);
}

#[test]
fn unsafe_has_its_places() {
    const CODE: &str = "let x = unsafe { read(p) };";
    check_table(&[
        ("crates/plimsoll/src/sys/sockets.rs", CODE, &[]),
        ("crates/plimsoll-agent/src/napi.rs", CODE, &[]),
        ("crates/plimsoll/src/gateway/x.rs", CODE, &["1: `unsafe`"]),
        ("xtask/src/main.rs", CODE, &["1: `unsafe`"]),
        ("crates/plimsoll/src/lib.rs", "#![deny(unsafe_code)] // unsafe", &[]),
    ]);
}

#[test]
fn words_paths_and_lengths_are_those_of_the_house() {
    let long = "x\n".repeat(501);
    let machine = concat!("see /wo", "rk/main and /ro", "ot/.npm");
    let found_machine = concat!("1: the machine path `/wo", "rk/main`");
    check_table(&[
        ("README.md", "an Upstream server", &["1: the word `upstream`"]),
        ("crates/plimsoll-agent/js/index.js", "\n// upstream", &["2: the word `upstream`"]),
        ("bench/nginx.conf", "upstream node {}", &[]),
        ("examples/next/package-lock.json", "upstream", &[]),
        ("bench/run.js", &long, &["501: 501 lines, more than 500"]),
        ("docs/long.txt", &long, &[]),
        ("docs/x.txt", machine, &[found_machine]),
        ("packaging/Dockerfile", concat!("WORKDIR /ho", "me/node/app"), &[]),
    ]);
}

#[test]
fn pages_name_only_what_is_there() {
    check_table(&[
        ("README.md", "see `docs/operate.md` and [main](crates/plimsoll/src/main.rs#L1)", &[]),
        ("README.md", "see `docs/gone.md`", &["1: `docs/gone.md` does not exist"]),
        ("README.md", "[x](gone.md) [y](https://example.com/a) [z](#here)", &["1: `gone.md` does not exist"]),
        ("docs/page.md", "[x](operate.md) [y](../docs/operate.md)", &[]),
        ("docs/page.md", "`examples/*` `docs/<page>.md` `crates/x y` `node server.js`", &[]),
    ]);
}

#[test]
fn packages_are_counted() {
    let package = |name: &str, needs: &str| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"1\"\ndependencies = [\n{needs}]\n\n")
    };
    let many: String = (0..201).map(|number| package(&format!("p{number}"), "")).collect();
    assert_eq!(found("Cargo.lock", &many), ["1: 201 locked packages, more than 200"]);
    let chain: String = (0..20)
        .map(|number| package(&format!("p{number}"), &format!(" \"p{} 1.0.0\",\n", number + 1)))
        .collect();
    let agent = package("plimsoll-agent", " \"p0\",\n");
    assert_eq!(
        found("Cargo.lock", &format!("{agent}{chain}")),
        ["1: the addon is built from 22 packages, more than 20"]
    );
    assert_eq!(found("Cargo.lock", &package("plimsoll", " \"p0\",\n")), [""; 0]);
}

#[test]
fn only_code_is_seen() {
    for (text, expected) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b\n */ c", "a     \n    c"),
        ("f(\"a\\\"b\") + g", "f(      ) + g"),
        ("r#\"a\"b\"# + g", "         + g"),
        ("for x", "for x"),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("'\"' + '\\'' + x", "    +      + x"),
        ("\"é\" x", "    x"),
        ("\"open", "     "),
    ] {
        assert_eq!(without_comments_and_strings(text), expected, "{text}");
    }
}
