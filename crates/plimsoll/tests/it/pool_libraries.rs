//! Pools of libraries that are seen and not re-sized, with real servers: clients of Redis, and postgres.js.

use serde_json::Value;

use crate::harness::{App, Database, Launch, Redis, Server, packages_of, until};

fn packages() -> String {
    packages_of("../crates/plimsoll-agent/test")
}

/// What is told of the app's only pool, once so many were answered.
fn told(server: &Server, got: u64) -> Value {
    until("the pool is told of", || {
        let status = server.status();
        let pool = status["pools"].as_array()?.first()?.clone();
        (pool["got"].as_u64() >= Some(got)).then_some(pool)
    })
}

/// `GET /` sets a key of Redis; with `client` and `connected` from `import`.
fn asks_redis(import: &str) -> String {
    format!(
        "import http from 'node:http';
         {import}
         http.createServer(async (request, response) => {{
           await client.set('key', 'value');
           response.end(await client.get('key'));
         }}).listen(process.env.PORT);"
    )
}

#[test]
fn commands_of_ioredis_are_seen_in_an_app_of_ecmascript_modules() {
    let Some(redis) = Redis::start() else { return };
    let (packages, port) = (packages(), redis.port());
    check_redis(
        &asks_redis(&format!(
            "import Redis from '{packages}/ioredis/built/index.js';
             const client = new Redis({port}, '127.0.0.1');"
        )),
        "ioredis",
        port,
    );
}

#[test]
fn commands_of_redis_are_seen_in_an_app_of_ecmascript_modules() {
    let Some(redis) = Redis::start() else { return };
    let (packages, port) = (packages(), redis.port());
    check_redis(
        &asks_redis(&format!(
            "import redis from '{packages}/redis/dist/index.js';
             const client = redis.createClient({{ url: 'redis://127.0.0.1:{port}' }});
             await client.connect();"
        )),
        "redis",
        port,
    );
}

fn check_redis(source: &str, library: &str, port: u16) {
    let app = App::command(&["node", "app.mjs"], &[("app.mjs", source)]);
    let server = Launch::plimsoll(app).workers(1).start();
    for _ in 0..5 {
        assert_eq!(server.get("/").text(), "value");
    }
    let pool = told(&server, 10);
    assert_eq!(
        (pool["name"].as_str(), &pool["is_shared"], &pool["waiting"], &pool["errors"]),
        (Some(&*format!("{library}@127.0.0.1:{port}/0")), &true.into(), &0.into(), &0.into()),
        "{pool}"
    );
    // How many commands are under way says nothing about how many connections are needed.
    assert_eq!((&pool["needed"], &pool["findings"]), (&0.into(), &Value::Array(Vec::new())), "{pool}");
    assert!(pool["used_us"].as_u64() > Some(0) && pool["use_p99_ms"].as_f64() > Some(0.0), "{pool}");
}

#[test]
fn commands_that_wait_for_a_lost_connection_are_said() {
    let Some(redis) = Redis::start() else { return };
    let (packages, port) = (packages(), redis.port());
    let source = format!(
        "const http = require('node:http');
         const Redis = require('{packages}/ioredis');
         const client = new Redis({port}, '127.0.0.1', {{ maxRetriesPerRequest: null }});
         client.on('error', () => {{}});
         http.createServer((request, response) => {{
           void client.get('key');
           response.end('asked');
         }}).listen(process.env.PORT);"
    );
    let server = Launch::plimsoll(App::source(source)).workers(1).start();
    assert_eq!(server.get("/").text(), "asked");
    told(&server, 1);
    drop(redis);
    let finding = until("what waits is said", || {
        server.get("/");
        let status = server.status();
        let pool = status["pools"].as_array()?.first()?.clone();
        pool["findings"].as_array()?.first()?.as_str().map(str::to_owned)
    });
    let expected = format!("pool ioredis@127.0.0.1:{port}/0: ");
    assert!(finding.starts_with(&expected) && finding.contains("there is no connection to"), "{finding}");
    server.wait_for_stderr("there is no connection to");
}

/// Asks for two at a time of at most two connections, six times; `import` gives `postgres`.
fn check_postgres(file: &'static str, import: &str) {
    let Some(database) = Database::start(20) else { return };
    let source = format!(
        "{import}
         const sql = postgres({{ host: '127.0.0.1', max: 2 }});
         http.createServer(async (request, response) => {{
           await Promise.all(Array.from({{ length: 6 }}, () => sql`select pg_sleep(0.02)`));
           response.end('done');
         }}).listen(process.env.PORT);"
    );
    let app = App::command(&["node", file], &[(file, &source)]);
    let server = database.used_by(Launch::plimsoll(app)).workers(1).start();
    assert_eq!(server.get("/").text(), "done");
    let pool = told(&server, 6);
    assert_eq!(
        (pool["name"].as_str(), &pool["max"], &pool["open"], &pool["waiting"], &pool["opened"]),
        (Some(&*format!("postgres@{}", database.name())), &2.into(), &2.into(), &0.into(), &2.into()),
        "{pool}"
    );
    // Four of six waited for one before them, the last two for two.
    assert!(pool["waited_us"].as_u64() >= Some((2 * 20 + 2 * 40) * 1000), "{pool}");
}

#[test]
fn queries_of_postgres_js_are_seen() {
    let import =
        format!("const http = require('node:http'); const postgres = require('{}/postgres');", packages());
    check_postgres("app.cjs", &import);
}

#[test]
fn queries_of_postgres_js_are_seen_in_an_app_of_ecmascript_modules() {
    // The agent looks for the package from the app's own folder.
    let link = format!(
        "import http from 'node:http'; import fs from 'node:fs'; import {{ createRequire }} from 'node:module';
         if (!fs.existsSync('node_modules')) fs.symlinkSync('{}', 'node_modules');
         const {{ default: postgres }} = await import('postgres');",
        packages()
    );
    check_postgres("app.mjs", &link);
}
