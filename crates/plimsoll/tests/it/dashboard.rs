//! The page at the admin address, in a browser.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{App, Browser, Launch, Screen, Server, until};

const DESK: Screen = Screen { width: 1280, height: 900, is_dark: false };
const PHONE: Screen = Screen { width: 390, height: 800, is_dark: true };

/// Answers any path, and fails where it is told to; `/slow` and `/evil` block until their file is there, the latter in a
/// function whose name is markup.
const APP: &str = r"
const fs = require('node:fs');
require('node:http').createServer((request, response) => {
  if (request.url === '/slow') formatRows();
  if (request.url === '/evil') functions['<i>evil</i>']();
  response.statusCode = request.url === '/fails' ? 500 : 200;
  response.end('done');
}).listen(process.env.PORT);
function formatRows () {
  while (!fs.existsSync('gate'));
}
const functions = { ['<i>evil</i>'] () { while (!fs.existsSync('gate')); } };
";

/// `None`: there is no browser here, which has been said.
fn open(server: &Server, screen: Screen) -> Option<(Browser, TempDir)> {
    let profile = tempfile::tempdir().unwrap();
    let Some(mut browser) = Browser::start(profile.path()).unwrap() else {
        println!("skipped: there is no browser\n hint: apt-get install chromium-headless-shell");
        return None;
    };
    browser.open(&format!("http://127.0.0.1:{}/", server.admin_port()), screen).unwrap();
    Some((browser, profile))
}

/// Asks the page until it answers with something that is true.
fn wait_for(browser: &mut Browser, expression: &str) -> Value {
    until(expression, || {
        let value = browser.ask(expression).unwrap();
        let is_true = !matches!(value, Value::Null | Value::Bool(false));
        is_true.then_some(value)
    })
}

/// Types, as a person does.
fn press(browser: &mut Browser, keys: &str) {
    for key in keys.chars().map(String::from) {
        let down = json!({ "type": "keyDown", "key": key, "text": key });
        browser.call("Input.dispatchKeyEvent", &down).unwrap();
        browser.call("Input.dispatchKeyEvent", &json!({ "type": "keyUp", "key": key })).unwrap();
    }
}

/// The text of a cell.
fn cell(table: &str, key: &str, column: &str) -> String {
    let key = serde_json::to_string(key).unwrap();
    format!(
        "[...document.querySelectorAll('#{table} tbody tr')].find((row) => row.dataset.key === {key})\
         ?.querySelector('[data-col=\"{column}\"] span')?.textContent"
    )
}

fn number(text: &Value) -> Option<u64> {
    text.as_str()?.replace(',', "").parse().ok()
}

#[test]
fn what_the_page_says_is_what_the_status_says() {
    let server = Launch::plimsoll(App::source(APP)).workers(2).start();
    let pids = server.workers(2);
    let Some((mut browser, _profile)) = open(&server, DESK) else { return };
    for path in ["/", "/", "/", "/fails", "/users/1", "/users/2"] {
        server.get(path);
    }
    wait_for(&mut browser, "document.querySelector('#state').textContent === 'ready'");
    // The page follows within a second or so; the status is asked for the same moment until both say the same.
    until("the page and the status agree", || {
        let status = server.status();
        let routes = status["routes"].as_array().unwrap().iter().all(|route| {
            let key = route["route"].as_str().unwrap();
            ["Requests", "Errors"].into_iter().zip(["requests", "failed"]).all(|(column, field)| {
                number(&browser.ask(&cell("t-routes", key, column)).unwrap()) == route[field].as_u64()
            })
        });
        let workers = status["workers"].as_array().unwrap().iter().zip(&pids).all(|(worker, pid)| {
            let key = format!("{}/{pid}", worker["id"]);
            let mut told = |column| browser.ask(&cell("t-workers", &key, column)).unwrap();
            number(&told("Requests")) == worker["requests"].as_u64()
                && number(&told("Process")) == worker["pid"].as_u64()
                && told("State") == worker["state"]
        });
        let total = browser.ask("document.querySelector('.tile .note').textContent.split(' ')[0]").unwrap();
        let all = status["requests"]["total"] == 6 && number(&total) == Some(6);
        (routes && workers && all).then_some(())
    });
    let listed = wait_for(&mut browser, &cell("t-routes", "GET /fails", "Errors"));
    assert_eq!(listed, "1");
    assert_eq!(browser.problems(), <[String; 0]>::default());
}

#[test]
fn a_stall_is_on_the_page_while_it_lasts_and_after() {
    let server = Launch::plimsoll(App::source(APP)).start();
    let Some((mut browser, _profile)) = open(&server, DESK) else { return };
    wait_for(&mut browser, "document.querySelector('#state').textContent === 'ready'");
    let mut client = server.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&mut browser, "document.querySelector('#recent li small')?.textContent === 'lasts'");
    fs::write(server.directory().join("gate"), "").unwrap();
    assert_eq!(client.response("GET").text(), "done");
    let place =
        wait_for(&mut browser, "document.querySelector('#t-groups tbody [data-col=In] span')?.textContent");
    let group = &server.status()["incidents"]["groups"][0];
    assert_eq!((&place, place.as_str().unwrap().contains("formatRows")), (&group["place"], true));
    // It stands in the strip of its worker as well, and in its row.
    wait_for(&mut browser, "document.querySelector('#timeline .stall').getAttribute('d') !== ''");
    let key = format!("0/{}", server.workers(1)[0]);
    let stood = wait_for(&mut browser, &cell("t-workers", &key, "Stood still"));
    assert!(stood.as_str().unwrap().starts_with("1×"), "{stood}");
    assert_eq!(browser.problems(), <[String; 0]>::default());
}

#[test]
fn names_are_text_keys_work_and_a_phone_is_wide_enough() {
    let mut server = Launch::plimsoll(App::source(APP)).start();
    let Some((mut browser, _profile)) = open(&server, PHONE) else { return };
    wait_for(&mut browser, "document.querySelector('#state').textContent === 'ready'");
    let mut client = server.connect();
    client.send("GET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&mut browser, "document.querySelector('#recent li small')?.textContent === 'lasts'");
    fs::write(server.directory().join("gate"), "").unwrap();
    client.response("GET");
    let place = "document.querySelector('#t-groups [data-col=In] span')?.textContent.includes('<i>evil</i>')";
    wait_for(&mut browser, place);
    assert_eq!(browser.ask("document.querySelectorAll('td i, li i').length").unwrap(), 0);
    let width = browser.ask("document.documentElement.scrollWidth").unwrap();
    assert!(width.as_u64() <= Some(390), "{width}");
    let dark = browser.ask("getComputedStyle(document.body).backgroundColor").unwrap();
    browser.show_on(DESK).unwrap();
    let light = wait_for(&mut browser, "getComputedStyle(document.body).backgroundColor");
    assert_ne!(dark, light);
    press(&mut browser, "/nosuchrow");
    wait_for(
        &mut browser,
        "document.activeElement.id === 'filter' && document.querySelectorAll('tbody tr').length === 0",
    );
    let unnamed = "[...document.querySelectorAll('button, input, svg[role=img]')].filter((one) => !(one.textContent.trim() || \
                   one.getAttribute('aria-label') || one.labels?.[0]?.textContent)).length";
    assert_eq!(browser.ask(unnamed).unwrap(), 0);
    assert_eq!(browser.problems(), <[String; 0]>::default());
    server.plimsoll(&["stop"]);
    server.exit_code();
    wait_for(&mut browser, "!document.querySelector('#problem').hidden");
}
