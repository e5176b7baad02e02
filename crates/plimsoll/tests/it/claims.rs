//! A request runs at most once, and one that has not begun to run is not lost with its worker.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::harness::{App, Client, Launch, Server, open_many_files, signal, until};

const LEDGER: &str = include_str!("apps/ledger.js");

/// The app, and the folder with its ledger and the file that ends a block.
struct Shop {
    server: Server,
    folder: tempfile::TempDir,
}

impl Shop {
    fn open(workers: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // These tests want requests to wait in the worker.
        let launch = Launch::plimsoll(App::source(LEDGER)).workers(workers);
        let launch = launch.env("PLIMSOLL_EVENT_LOOP_RESCUE_AFTER", "1h");
        let server = launch.env("LEDGER", folder.path().join("ledger").to_str().unwrap()).start();
        Self { server, folder }
    }

    fn gate(&self) -> PathBuf {
        self.folder.path().join("gate")
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("ledger")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|there| *there == line).count()
    }

    /// Has the only worker block its loop until [`Self::unblock`].
    fn block(&self) -> Client {
        let mut client = self.server.connect();
        client.send(format!("GET /block?until={} HTTP/1.1\r\nHost: a\r\n\r\n", self.gate().display()));
        until("the loop is blocked", || (self.count("blocked") > 0).then_some(()));
        client
    }

    fn unblock(&self) {
        fs::write(self.gate(), "").unwrap();
    }

    fn send(&self, request: &str) -> Client {
        let before = self.in_flight();
        let mut client = self.server.connect();
        client.send(request);
        until("the request is at the worker", || (self.in_flight() > before).then_some(()));
        client
    }

    fn in_flight(&self) -> u64 {
        let status = self.server.status();
        status["workers"].as_array().unwrap().iter().map(|worker| worker["in_flight"].as_u64().unwrap()).sum()
    }
}

fn post(id: &str, body: &str) -> String {
    format!("POST /run?id={id} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn what_waits_behind_a_blocked_loop_survives_the_death_of_its_worker() {
    let shop = Shop::open(1);
    let mut blocker = shop.block();
    let mut post_client = shop.send(&post("a", "hello"));
    let mut get_client = shop.send("GET /run?id=b HTTP/1.1\r\nHost: a\r\n\r\n");
    let chunked = "POST /run?id=c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let mut open_client = shop.send(chunked);
    signal(shop.server.workers(1)[0], Signal::KILL);

    let lost = blocker.response("GET");
    assert_eq!((lost.status, lost.error_code()), (502, Some("worker_died")), "its handler had begun");
    assert_eq!(post_client.response("POST").text(), "5");
    assert_eq!(get_client.response("GET").text(), "0");
    open_client.send("2\r\nde\r\n0\r\n\r\n");
    assert_eq!(open_client.response("POST").text(), "5");
    shop.server.wait_for_stderr("; it was running 1 request, and 3 that it had not begun were taken back");
    let status = shop.server.status();
    let death = &status["workers"][0]["last_death"];
    assert_eq!((&death["running"], &death["not_begun"]), (&1.into(), &3.into()), "{status}");
    for id in ["a", "b", "c"] {
        assert_eq!(shop.count(&format!("run {id}")), 1, "{:?}", shop.lines());
    }
}

#[test]
fn what_its_client_gave_up_before_it_began_never_runs() {
    let shop = Shop::open(1);
    let mut blocker = shop.block();
    let abandoned = shop.send(&post("a", "hello"));
    let mut patient = shop.send(&post("b", "hi"));
    drop(abandoned);
    until("the gateway took the request back", || {
        let metrics = shop.server.admin("/metrics").text();
        metrics
            .contains("_count{http_request_method=\"POST\",http_response_status_code=\"499\"")
            .then_some(())
    });
    shop.unblock();
    assert_eq!(blocker.response("GET").text(), "unblocked");
    assert_eq!(patient.response("POST").text(), "2");
    for round in 0..20 {
        assert_eq!(shop.server.get(&format!("/run?id=after{round}")).status, 200);
    }
    assert_eq!((shop.count("start a"), shop.count("run b")), (0, 1), "{:?}", shop.lines());
}

#[test]
fn a_large_body_waits_until_its_request_has_begun() {
    let shop = Shop::open(1);
    let mut blocker = shop.block();
    let mut client =
        shop.send(&format!("POST /run?id=a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 1 << 20));
    let body = vec![b'x'; 1 << 20];
    let mut sender = client.stream().try_clone().unwrap();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut sender, &body).unwrap());
    shop.unblock();
    assert_eq!(blocker.response("GET").text(), "unblocked");
    assert_eq!(client.response("POST").text(), (1 << 20).to_string());
    sending.join().unwrap();
    assert_eq!(shop.count("run a"), 1);
}

/// Clients that post and count, while workers are killed one after another.
#[test]
fn nothing_runs_twice_and_nothing_acknowledged_is_missing_while_workers_are_killed() {
    let shop = Shop::open(2);
    let port = shop.server.port();
    let posting: Vec<_> = (0..4)
        .map(|poster| {
            std::thread::spawn(move || {
                let mut answers = Vec::new();
                let mut client = Client::connect(("127.0.0.1", port));
                for round in 0..500 {
                    let id = format!("{poster}-{round}");
                    client.send(post(&id, "x"));
                    let answer = client.response("POST");
                    let died = answer.error_code() == Some("worker_died");
                    assert!(answer.status == 200 || died, "{answer:?}");
                    answers.push((id, answer.status));
                    if answer.status != 200 {
                        client = Client::connect(("127.0.0.1", port));
                    }
                }
                answers
            })
        })
        .collect();
    for _ in 0..4 {
        let seen = shop.lines().len();
        let before = shop.server.workers(2);
        signal(before[0], Signal::KILL);
        until("the dead worker is replaced", || (shop.server.workers(2) != before).then_some(()));
        let is_over = || posting.iter().all(std::thread::JoinHandle::is_finished);
        until("requests are served again", || (is_over() || shop.lines().len() > seen + 50).then_some(()));
        if is_over() {
            break;
        }
    }
    let answers: Vec<_> = posting.into_iter().flat_map(|poster| poster.join().unwrap()).collect();
    assert_eq!(answers.len(), 2000);
    for (id, status) in answers {
        let runs = shop.count(&format!("run {id}"));
        assert!(runs <= 1, "{id} ran {runs} times");
        assert!(status != 200 || runs == 1, "{id} was acknowledged and did not run");
    }
}

#[test]
fn a_request_that_had_begun_is_sent_once_more_where_the_settings_say_so() {
    let app = "require('node:http').createServer((request, response) => {
        if (request.url === '/die' && process.env.PLIMSOLL_WORKER === '0' && !require('node:fs').existsSync('died')) {
            require('node:fs').writeFileSync('died', '');
            process.kill(process.pid, 'SIGKILL');
        } else response.end('lived');
    }).listen(process.env.PORT)";
    for (setting, method, expected) in
        [("idempotent", "GET", 200), ("idempotent", "POST", 502), ("off", "GET", 502)]
    {
        let launch = Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_RETRY_STARTED", setting);
        let server = launch.start();
        let mut client = server.connect();
        client.send(format!("{method} /die HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.response(method).status, expected, "{setting} {method}");
    }
}

/// More of them than a page has slots: each must come back, and none may be taken for a process without the agent.
#[test]
fn what_node_itself_refuses_takes_no_slot_and_says_nothing_of_claims() {
    let app = "const server = require('node:http').createServer({ maxHeaderSize: 600 }, (request, response) => {
        if (request.url === '/hold') console.log('held'); else response.end('served');
        // As the documentation of Node has it.
        if (request.url === '/own') server.on('clientError', (error, socket) => socket.end('HTTP/1.1 400 Bad Request\\r\\n\\r\\n'));
    }).listen(process.env.PORT)";
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "x".repeat(700));
    for trunks in ["auto", "off"] {
        let server = Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_TRUNKS", trunks).start();
        for round in 0..1030 {
            let mut client = server.connect();
            client.send(&large);
            assert_eq!(client.response("GET").status, 431, "{trunks} {round}");
        }
        assert_eq!(server.get("/own").text(), "served");
        let mut client = server.connect();
        client.send(&large);
        assert_eq!(client.response("GET").status, 400);
        assert_says_what_ran(&server);
        assert!(!server.stderr().contains("without the agent"), "{}", server.stderr());
    }
}

/// The agent ends the link under the next request, which goes by another one.
#[test]
fn an_answer_that_the_app_does_not_end_takes_no_slot() {
    let app = "require('node:http').createServer((request, response) => {
        if (request.url === '/hold') return console.log('held');
        response.writeHead(200, { 'Content-Length': 6 }).write('served');
        if (request.url === '/') response.end();
    }).listen(process.env.PORT)";
    let server = Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_TRUNKS", "off").start();
    let mut client = server.connect();
    for round in 0..1030 {
        client.send("GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response("GET").status, 200, "round {round}");
    }
    assert_says_what_ran(&server);
}

/// As the one of fastify does, which says nothing of closing.
#[test]
fn what_an_app_answers_in_nodes_place_says_nothing_of_claims() {
    let app = "const server = require('node:http').createServer((request, response) => {
        if (request.url === '/hold') console.log('held'); else response.end('served');
    });
    server.on('clientError', (error, socket) => {
        socket.write('HTTP/1.1 400 Bad Request\\r\\nContent-Length: 3\\r\\nContent-Type: text/plain\\r\\n\\r\\nbad');
        socket.destroySoon();
    });
    server.listen(process.env.PORT)";
    for trunks in ["auto", "off"] {
        let server = Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_TRUNKS", trunks).start();
        for _ in 0..3 {
            let mut client = server.connect();
            client.send("BREW / HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = client.response("GET");
            assert_eq!((answer.status, answer.text()), (400, "bad".into()));
        }
        assert_says_what_ran(&server);
        assert!(!server.stderr().contains("without the agent"), "{}", server.stderr());
    }
}

/// Node answers after its limit of 16 KB, of a head that does not fit into the memory between gateway and worker. More slots would be
/// lost than a page has, if each such request lost some.
#[test]
fn a_head_that_node_refuses_half_way_gets_nodes_own_answer() {
    let app = "require('node:http').createServer((request, response) => {
        if (request.url === '/hold') console.log('held'); else response.end('served');
    }).listen(process.env.PORT)";
    let server = Launch::plimsoll(App::source(app)).start();
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "x".repeat(60_000));
    for round in 0..200 {
        let mut client = server.connect();
        client.send(&large);
        assert_eq!(client.response("GET").status, 431, "round {round}");
    }
    assert_says_what_ran(&server);
}

/// The slot of a request that has become a connection of another kind is for others: there may be more such connections than a page
/// has slots.
#[test]
fn upgraded_connections_hold_no_slot() {
    let app = "const server = require('node:http').createServer((request, response) => {
        if (request.url === '/hold') console.log('held'); else response.end('served');
    });
    server.on('upgrade', (request, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: any\\r\\n\\r\\n');
        socket.on('error', () => {});
    });
    server.listen(process.env.PORT)";
    open_many_files();
    let server = Launch::plimsoll(App::source(app)).start();
    let open = |_| {
        let mut client = server.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\n");
        assert_eq!(client.response("GET").status, 101);
        client
    };
    let _upgraded: Vec<Client> = (0..1030).map(open).collect();
    assert_says_what_ran(&server);
}

/// There is a slot for one more request: what it was is known when its worker dies.
fn assert_says_what_ran(server: &Server) {
    assert_eq!(server.get("/").text(), "served");
    let mut held = server.connect();
    held.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stdout("held");
    signal(server.workers(1)[0], Signal::KILL);
    server.wait_for_stderr("; it was running 1 request");
    assert_eq!(held.response("GET").status, 502);
}

/// Most of the body has been sent and is not here any more.
#[test]
fn a_worker_that_dies_under_an_upload_is_told_as_what_it_is() {
    let app = "require('node:http').createServer((request, response) => {
        request.once('data', () => { request.pause(); console.log('began'); });
    }).listen(process.env.PORT)";
    for (setting, method) in [("off", "POST"), ("idempotent", "PUT")] {
        for length in [20_000_usize, 50_000_000] {
            let launch = Launch::plimsoll(App::source(app));
            let server = launch.env("PLIMSOLL_GATEWAY_RETRY_STARTED", setting).start();
            let mut client = server.connect();
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
            client.send("x".repeat(100));
            server.wait_for_stdout("began");
            let _ = client.stream().set_nonblocking(true);
            let piece = "x".repeat(length.min(1_000_000) - 100);
            let _ = client.try_send(&piece);
            let _ = client.stream().set_nonblocking(false);
            signal(server.workers(1)[0], Signal::KILL);
            let answer = client.response(method);
            assert_eq!(answer.status, 502, "{setting} {length}");
            assert_eq!(answer.header("x-plimsoll-error"), Some("worker_died"));
        }
    }
}

/// As a child that is handed the server's handle, and has no agent: its requests must be served all the same.
#[test]
fn a_worker_that_answers_without_claiming_is_noticed_and_served_by() {
    let app = "Atomics.compareExchange = (words, index, expected) => expected;
    require('node:http').createServer((request, response) => response.end(request.method)).listen(process.env.PORT);";
    let server = Launch::plimsoll(App::source(app)).start();
    for method in ["GET", "POST", "GET"] {
        let mut client = server.connect();
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.response(method).text(), method);
    }
    server.wait_for_stderr("a process without the agent serves");
}
