//! Links in memory that gateway and worker share: who has them, and that nothing else is different.

use std::fs;

use crate::harness::{App, Client, Exposition, Launch, Server, until};

/// `/wait` is answered when as many have come as the test says, `/hello` at once, `/keep` with 3 MB kept; an upgrade stays open.
const APP: &str = "
    const waiting = [];
    const kept = [];
    const server = require('node:http').createServer((request, response) => {
        const url = new URL(request.url, 'http://a');
        if (url.pathname === '/keep') kept.push(Buffer.alloc(3 << 20, 1));
        if (url.pathname !== '/wait') return response.end(`hello ${request.socket.remotePort}`);
        waiting.push(response);
        if (waiting.length === Number(url.searchParams.get('for'))) for (const one of waiting.splice(0)) one.end('all');
    });
    server.on('upgrade', (request, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: x\\r\\n\\r\\n');
        socket.pipe(socket);
    });
    server.listen(process.env.PORT);
";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

fn start(trunks: &str) -> Server {
    let launch = Launch::plimsoll(App::source(APP)).env("PLIMSOLL_GATEWAY_TRUNKS", trunks);
    let server = launch.env("PLIMSOLL_GATEWAY_THREADS", "1").start();
    assert_eq!(server.get("/hello").status, 200);
    server
}

/// Sockets that the worker has.
fn sockets(server: &Server) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", server.workers(1)[0])).unwrap();
    let names = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    names.filter(|name| name.to_string_lossy().starts_with("socket:")).count()
}

/// So many requests at once, all of which have a link when the last one has come.
fn together(server: &Server, count: usize) {
    let mut clients: Vec<Client> = (0..count).map(|_| server.connect()).collect();
    let request = format!("GET /wait?for={count} HTTP/1.1\r\nHost: a\r\n\r\n");
    clients.iter_mut().for_each(|client| client.send(request.as_str()));
    clients.iter_mut().for_each(|client| assert_eq!(client.response("GET").text(), "all"));
}

#[test]
fn requests_need_no_socket_where_there_is_a_trunk() {
    for (trunks, is_as_it_should) in
        [("auto", (|sockets| sockets < 20) as fn(usize) -> bool), ("off", |sockets| sockets >= 40)]
    {
        let server = start(trunks);
        // Until the agent has taken the trunk links are sockets, which are closed when they come back.
        until(trunks, || {
            together(&server, 40);
            is_as_it_should(sockets(&server)).then_some(())
        });
        let metrics = Exposition::read(&server.admin("/metrics").text());
        let in_memory = metrics.get("plimsoll_gateway_links_opened_total{by=memory}").unwrap();
        assert_eq!(in_memory >= 20.0, trunks == "auto", "{in_memory}");
    }
}

#[test]
fn what_no_link_of_the_trunk_is_left_for_goes_by_socket() {
    let server = start("auto");
    for _ in 0..3 {
        together(&server, 300);
    }
    assert_eq!(server.get("/hello").status, 200);
}

#[test]
fn upgraded_connections_take_no_link_of_the_trunk() {
    let server = start("auto");
    until("links are those of the trunk", || {
        together(&server, 9);
        (sockets(&server) < 9).then_some(())
    });
    let before = sockets(&server);
    let mut open: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    for client in &mut open {
        client.send(UPGRADE);
        client.take_past("\r\n\r\n");
        client.send("echo");
        client.take_past("echo");
    }
    assert!(sockets(&server) >= before + 5);
}

#[test]
fn memory_of_a_trunk_is_not_the_apps() {
    let server = start("auto");
    // What the app keeps for itself is told, and by then the trunk has been taken.
    assert_eq!(server.get("/keep").status, 200);
    let external = until("memory is told", || {
        server.get("/hello");
        server.status()["workers"][0]["memory"]["external_bytes"].as_u64().filter(|bytes| *bytes >= 3 << 20)
    });
    assert!(external < 8 << 20, "{external}");
}
