//! Pools of connections: what waits in our own process is said, and what a database allows is shared out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use crate::harness::{App, Database, Launch, Maria, Server, meanwhile, packages_of, until};

/// The shop behind Plimsoll, with `pool` connections in each worker.
fn shop(database: &Database, workers: u16, pool: u32, settings: &str) -> Server {
    serve(database, App::Example("shop"), workers, pool, settings)
}

fn serve(database: &Database, app: App, workers: u16, pool: u32, settings: &str) -> Server {
    let launch = Launch::plimsoll(app).workers(workers).settings(settings);
    let launch = launch.env("POOL_MAX", pool.to_string()).env("LOG_LEVEL", "warn");
    let server = database.used_by(launch).start();
    server.workers(workers.into());
    server
}

/// What is told of the app's pool, once it fits.
fn told(server: &Server, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(what, || {
        let status = server.status();
        let pool = status["pools"].as_array()?.first()?.clone();
        fits(&pool).then_some(pool)
    })
}

fn incidents(server: &Server) -> String {
    String::from_utf8(server.plimsoll(&["incidents"]).stdout).unwrap()
}

/// So many clients ask again and again for what takes `ms` in the database, while `act` runs. Gives how many were answered, and
/// how many of them with something else than 200.
fn asked_meanwhile<T>(
    server: &Server,
    clients: usize,
    ms: u32,
    act: impl FnOnce(&AtomicUsize) -> T,
) -> (T, usize) {
    let (answered, failed) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
    let clients = (0..clients).map(|_| {
        let mut client = server.connect();
        move || {
            client.send(format!("GET /orders/1?ms={ms} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let status = client.response("GET").status;
            failed.fetch_add(usize::from(status != 200), Ordering::Relaxed);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    });
    let result = meanwhile(clients, || act(answered));
    (result, failed.load(Ordering::Relaxed))
}

#[test]
fn requests_that_wait_in_our_own_process_are_said_with_the_size_that_is_needed() {
    let Some(database) = Database::start(50) else { return };
    let server = shop(&database, 1, 2, "");
    let queued = |pool: &Value| {
        let findings = pool["findings"].as_array().unwrap();
        findings
            .iter()
            .any(|text| text.as_str().unwrap().contains("wait for a connection in our own process"))
    };
    let (pool, failed) = asked_meanwhile(&server, 5, 50, |_| {
        let pool = told(&server, "the queue is said", queued);
        let listed = incidents(&server);
        assert!(listed.contains("for a connection in our own process"), "{listed}");
        pool
    });
    assert_eq!((failed, pool["name"].as_str()), (0, Some(&*format!("pg@{}/shop", database.name()))));
    assert!(pool["needed"].as_u64() > Some(2), "{pool}");
    server.wait_for_stderr("wait for a connection in our own process");
    until("the queue is over", || {
        let status = server.status();
        let queue = status["pool_queues"].as_array()?.first()?.clone();
        (queue["is_over"] == true).then_some(())
    });
    let metrics = server.admin("/metrics").text();
    let label = format!("db_client_connection_pool_name=\"pg@{}/shop\"", database.name());
    for sample in [
        format!("db_client_connection_max{{{label}}} 2"),
        format!("db_client_connection_count{{{label},state=\"used\"}} 0"),
        format!("db_client_connection_wait_time_seconds_count{{{label}}}"),
        format!("db_client_connection_use_time_seconds_count{{{label}}}"),
        format!("db_client_connection_pending_requests{{{label}}} 0"),
    ] {
        assert!(metrics.contains(&sample), "{sample} is not in\n{metrics}");
    }
}

#[test]
fn more_connections_than_the_database_has_are_said_before_they_are_missed() {
    let Some(database) = Database::start(50) else { return };
    let settings = format!("[pools.\"{}\"]\nmax_connections = 30", database.name());
    let server = shop(&database, 3, 10, &settings);
    let all = |pool: &Value| pool["workers"] == 3;
    let (pool, _) = asked_meanwhile(&server, 6, 5, |_| told(&server, "all workers have a pool", all));
    let finding = pool["findings"][0].as_str().unwrap();
    let expected = format!("3 workers x 10 = 30 connections, and {} allows 27", database.name());
    assert!(finding.contains(&expected), "{finding}");
}

#[test]
fn a_forgotten_connection_is_told_with_the_place_that_took_it() {
    let Some(database) = Database::start(20) else { return };
    let server = shop(&database, 1, 2, "[pools]\nleak_after = '1s'");
    assert_eq!(server.get("/invoices/99999").status, 404);
    let pool = told(&server, "the connection is missed", |pool| pool["leaks"][0].is_object());
    let taker = pool["leaks"][0]["taker"].as_str().unwrap();
    assert!(taker.contains("server.js:"), "{taker}");
    // Findings are made from what workers tell once a second.
    told(&server, "it is found", |pool| {
        pool["findings"].to_string().contains("1 connection has been held for over 1.0 s")
    });
    assert!(incidents(&server).contains("server.js:"));
    server.wait_for_stderr("has held a connection for ");
    let told = server.stderr();
    let line = told.lines().find(|line| line.contains("has held a connection")).unwrap();
    assert!(line.contains("server.js:"), "{line}");
}

#[test]
fn what_the_database_allows_is_shared_out_and_nobody_is_turned_away() {
    let Some(database) = Database::start(13) else { return };
    let settings = format!("[pools.\"{}\"]\nmode = 'enforce'\nmax_connections = 13", database.name());
    let server = shop(&database, 4, 20, &settings);
    // Ten for ordinary users; each worker alone would open twenty.
    let ((), failed) = asked_meanwhile(&server, 40, 5, |answered| {
        until("many are answered", || (answered.load(Ordering::Relaxed) > 600).then_some(()));
        let pool = told(&server, "all workers have a pool", |pool| pool["workers"] == 4);
        assert_eq!((&pool["enforced"], &pool["allowed"]), (&true.into(), &10.into()), "{pool}");
        assert!(pool["lent"].as_u64() <= Some(10), "{pool}");
    });
    assert_eq!(failed, 0, "{}", server.stderr());
}

#[test]
fn without_it_the_same_is_turned_away() {
    let Some(database) = Database::start(13) else { return };
    let server = shop(&database, 4, 20, "");
    let ((), failed) = asked_meanwhile(&server, 40, 20, |_| {
        told(&server, "connections are refused", |pool| pool["errors"].as_u64() > Some(0));
    });
    assert!(failed > 0);
}

#[test]
fn a_wait_of_too_long_ends_with_an_error_of_ours() {
    let Some(database) = Database::start(20) else { return };
    let server = shop(&database, 1, 1, "[pools]\nwait_timeout = '100ms'");
    assert_eq!(server.get("/orders/1").status, 200);
    told(&server, "the pool is known", |_| true);
    let held = thread::scope(|scope| {
        let held = scope.spawn(|| server.get("/orders/1?ms=2000"));
        told(&server, "the connection is in use", |pool| pool["in_use"] == 1);
        let refused = server.get("/orders/2");
        assert_eq!((refused.status, &refused.json()["code"]), (500, &"EPLIMSOLL_POOL".into()));
        held.join().unwrap()
    });
    assert_eq!(held.status, 200);
    told(&server, "it is counted", |pool| pool["refused"] == 1);
}

#[test]
fn an_app_of_ecmascript_modules_is_seen_as_well() {
    let Some(database) = Database::start(20) else { return };
    let packages = packages_of("shop");
    let source = format!(
        "import http from 'node:http';
         import {{ Pool }} from '{packages}/pg/esm/index.mjs';
         const pool = new Pool({{ max: 3 }});
         http.createServer(async (request, response) => {{
           const {{ rows }} = await pool.query('select 7 as seven');
           response.end(JSON.stringify(rows[0]));
         }}).listen(process.env.PORT);"
    );
    let app = App::command(&["node", "app.mjs"], &[("app.mjs", source.as_str())]);
    let server = serve(&database, app, 1, 3, "");
    assert_eq!(server.get_json("/")["seven"], 7);
    let pool = told(&server, "the pool is seen", |pool| pool["got"].as_u64() >= Some(1));
    assert_eq!((&pool["library"], &pool["max_each"]), (&"pg".into(), &3.into()));
}

#[test]
fn mysql2_shares_out_what_mariadb_says_that_it_has() {
    let Some(database) = Maria::start(14) else { return };
    let packages = packages_of("../crates/plimsoll-agent/test");
    let source = format!(
        "const http = require('node:http');
         const mysql = require('{packages}/mysql2/promise');
         const pool = mysql.createPool({{ host: '127.0.0.1', port: {}, user: 'shop', connectionLimit: 20 }});
         http.createServer(async (request, response) => {{
           const status = await pool.query('select sleep(0.005)').then(() => 200, () => 500);
           response.writeHead(status, {{ 'content-length': 0 }}).end();
         }}).listen(process.env.PORT);",
        database.port()
    );
    let settings = "[pools]\nmode = 'enforce'\ninspect = true\nmax_connections = 10";
    let server = Launch::plimsoll(App::source(source)).workers(3).settings(settings).start();
    server.workers(3);
    let ((), failed) = asked_meanwhile(&server, 40, 5, |answered| {
        until("many are answered", || (answered.load(Ordering::Relaxed) > 400).then_some(()));
        let pool = told(&server, "all workers have a pool", |pool| pool["workers"] == 3);
        assert_eq!((&pool["enforced"], &pool["library"]), (&true.into(), &"mysql2".into()), "{pool}");
        // MariaDB was asked as well: it has fourteen, and none of them is anybody else's.
        assert!(pool["lent"].as_u64() <= Some(10) && pool["allowed"].as_u64() <= Some(10), "{pool}");
    });
    assert_eq!(failed, 0, "{}", server.stderr());
}
