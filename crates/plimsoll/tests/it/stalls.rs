//! A blocked loop is told while it is blocked.

use crate::harness::{App, Launch};

/// `/slow` blocks until its file is there: for as long as the test wants.
const SLOW: &str = r"
const fs = require('node:fs');
require('node:http').createServer((request, response) => {
  if (request.url === '/slow') formatRows();
  response.end('done');
}).listen(process.env.PORT || 3000);
function formatRows () {
  while (!fs.existsSync(process.env.GATE));
}
";

#[test]
fn the_function_that_blocks_is_in_the_log_while_it_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let launch = Launch::plimsoll(App::source(SLOW)).env("GATE", gate.to_str().unwrap());
    let server = launch.env("PLIMSOLL_LOG_LEVEL", "debug").start();
    server.wait_for_stderr("watchdog connected");
    let mut client = server.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    // The stack names what blocks, or, in a system call, whom it was called by.
    server.wait_for_stderr("formatRows (");
    server.wait_for_stderr("running=Some((");
    std::fs::write(gate, "").unwrap();
    assert_eq!(client.response("GET").text(), "done");
    server.wait_for_stderr("the event loop turns again");
    server.wait_for_stderr("a request kept the event loop busy");
}

#[test]
fn an_app_without_the_native_half_is_served_and_one_line_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    std::fs::write(&gate, "").unwrap();
    let launch = Launch::plimsoll(App::source(SLOW)).env("GATE", gate.to_str().unwrap());
    let server = launch.env("NODE_OPTIONS", "--no-addons").start();
    assert_eq!(server.get("/slow").text(), "done");
    server.wait_for_stderr("the native half of the agent could not be loaded");
    assert_eq!(server.stderr().matches("the native half").count(), 1, "{}", server.stderr());
}
