//! What an app pays for async context: who asked, how much it is, and what removes it.

use serde_json::Value;

use crate::harness::{App, Launch, Server, until};

/// 400 promises a request; asked for by a package, in the way that the variable says.
fn app() -> App {
    App::source(
        "
        const Module = require('node:module'), path = require('node:path');
        const file = path.join(__dirname, 'node_modules/cls-x/lib/index.js');
        const cls = new Module(file);
        cls.filename = file;
        cls._compile(`
          const { AsyncLocalStorage, createHook } = require('node:async_hooks');
          const storage = new AsyncLocalStorage();
          const none = (run) => run();
          function store (run) { return storage.run({}, run); }
          function hook () { createHook({ init () {}, destroy () {} }).enable(); }
          if (process.env.WAY === 'hook') hook();
          module.exports = process.env.WAY === 'storage' ? store : none;
        `, file);
        const work = async () => {};
        require('node:http').createServer((request, response) => cls.exports(async () => {
          for (let times = 0; times < 200; times++) await work();
          response.end(process.env.NODE_OPTIONS);
        })).listen(process.env.PORT);
        ",
    )
}

fn start(way: &str) -> Server {
    Launch::plimsoll(app()).env("WAY", way).start()
}

/// Asks until what is said of the tax fits.
fn tax(server: &Server, fits: impl Fn(&Value) -> bool) -> Value {
    until("the tax is told", || {
        (0..20).for_each(|_| assert_eq!(server.get("/").status, 200));
        Some(server.status()["context"]["tax"].clone()).filter(|tax| fits(tax))
    })
}

#[test]
fn a_hook_with_destroy_is_told_with_its_package_its_share_and_what_to_do() {
    let server = start("hook");
    let tax = tax(&server, |tax| tax["share_per_mille"].as_u64() > Some(0));
    assert_eq!(tax["class"], "destroy", "{tax}");
    assert_eq!(tax["fix"], "remove_destroy", "{tax}");
    let author = &tax["authors"][0];
    assert_eq!((&author["what"], &author["package"]), (&"hook".into(), &"cls-x".into()), "{tax}");
    assert!(author["at"].as_str().unwrap().starts_with("cls-x/lib/index.js:"), "{tax}");
    assert_eq!(author["callbacks"], Value::from(vec!["init", "destroy"]));
    assert!(tax["is_measured"] == true && tax["cost_ns"].as_f64().unwrap() > 0.0, "{tax}");
    assert!(tax["hint"].as_str().unwrap().contains("the package cls-x"), "{tax}");
    let metrics = server.admin("/metrics").text();
    assert!(metrics.contains("plimsoll_context_tax_ratio{worker=\"0\"} 0."), "{metrics}");
}

#[test]
fn a_storage_costs_what_it_costs_on_this_version() {
    let server = start("storage");
    let tax = tax(&server, |tax| tax["class"] == "free" || tax["share_per_mille"].as_u64() > Some(0));
    let major: u32 = tax["node"].as_str().unwrap()[1..].split('.').next().unwrap().parse().unwrap();
    let (class, fix) = match major {
        24.. => ("free", "nothing"),
        22 => ("storage", "async_context_frame"),
        _ => ("storage", "upgrade"),
    };
    assert_eq!((&tax["class"], &tax["fix"]), (&class.into(), &fix.into()), "{tax}");
    assert_eq!(tax["authors"][0]["what"], "run", "{tax}");
}

#[test]
fn who_does_not_ask_is_told_nothing() {
    let server = start("none");
    (0..20).for_each(|_| assert_eq!(server.get("/").status, 200));
    assert_eq!(server.status()["context"]["tax"], Value::Null);
}

#[test]
fn the_frame_is_set_where_node_knows_it_and_nowhere_else() {
    let server = Launch::plimsoll(app())
        .env("WAY", "storage")
        .env("PLIMSOLL_CONTEXT_ASYNC_CONTEXT_FRAME", "true")
        .start();
    // `none`: it is known who asks, and not yet how often.
    let tax = tax(&server, |tax| !tax.is_null() && tax["class"] != "none");
    let is_told = server.get("/").text().contains("--experimental-async-context-frame");
    let version: Vec<u32> =
        tax["node"].as_str().unwrap()[1..].split('.').filter_map(|number| number.parse().ok()).collect();
    assert_eq!(is_told, (version[0] == 22 && version[1] >= 7) || version[0] == 23, "{tax}");
    if is_told || version[0] >= 24 {
        assert_eq!(tax["class"], "free", "{tax}");
    } else {
        server.wait_for_stderr("context.async_context_frame is not set: Node");
    }
}

/// As a Node that does not know the flag, started by something in which another one was found.
#[test]
fn a_node_that_refuses_the_frame_is_started_without_it() {
    const SCRIPT: &str = "case \"$NODE_OPTIONS\" in *async-context-frame*) \
                          echo \"node: --experimental-async-context-frame= is not allowed in NODE_OPTIONS\" >&2; exit 9;; esac; \
                          exec node app.js";
    const SERVER: &str = "require('node:http').createServer((request, response) => response.end(process.version)).listen(process.env.PORT)";
    let app = App::command(&["sh", "-c", SCRIPT], &[("app.js", SERVER)]);
    let server = Launch::plimsoll(app).env("PLIMSOLL_CONTEXT_ASYNC_CONTEXT_FRAME", "true").start();
    let version = server.get("/").text();
    // Others are not given it.
    if version.starts_with("v22.") || version.starts_with("v23.") {
        server.wait_for_stderr("context.async_context_frame is not set any more");
    } else {
        assert!(!server.stderr().contains("is not set any more"), "{}", server.stderr());
    }
}
