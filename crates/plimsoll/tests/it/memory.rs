//! Heaps that fit the memory that there is.

use crate::harness::{App, Launch};

/// Tells the options of V8 that reached it.
const OPTIONS: &str = "
    require('node:http').createServer((request, response) => {
      const { heap_size_limit: bytes } = require('node:v8').getHeapStatistics();
      response.end(`${process.env.NODE_OPTIONS.split(' --require')[0]}|${bytes / 1048576}`);
    }).listen(process.env.PORT);
";

fn launch() -> Launch {
    Launch::plimsoll(App::source(OPTIONS)).env("PLIMSOLL_MEMORY_LIMIT", "512MB")
}

#[test]
fn heaps_are_made_to_fit_and_the_arithmetic_is_told() {
    let server = launch().workers(4).start();
    let answer = server.get("/").text();
    let (options, limit) = answer.split_once('|').unwrap();
    assert_eq!(options, "--max-old-space-size=42 --max-semi-space-size=4");
    let limit: f64 = limit.parse().unwrap();
    assert!((42.0..=60.0).contains(&limit), "V8 took it: {answer}");
    server.wait_for_stderr("512 MB of memory.limit - 64 MB for Plimsoll");
}

#[test]
fn who_has_decided_about_heaps_is_left_alone() {
    let own = launch().env("NODE_OPTIONS", "--max-old-space-size=77").start();
    assert!(own.get("/").text().starts_with("--max-old-space-size=77|"), "{}", own.get("/").text());
    let off = launch().env("PLIMSOLL_MEMORY_HEAP", "off").env("NODE_OPTIONS", "--no-warnings").start();
    assert!(off.get("/").text().starts_with("--no-warnings|"), "{}", off.get("/").text());
    for server in [own, off] {
        assert!(!server.stderr().contains("heap of each worker"), "{}", server.stderr());
    }
}
