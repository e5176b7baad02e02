//! Bodies pass through; they are never held. One GiB each way, and the gateway does not grow by 8 MB. And what many requests at once
//! need is given back.

use crate::harness::{App, Client, Launch, Server, open_many_files, pause, until};

const GIB: usize = 1 << 30;
const MB: u64 = 1 << 20;
/// What the app repeats: `upload` fills 64 KB with this word.
const WORD: &[u8] = b"plimsoll ";

fn server() -> Server {
    let server = Launch::plimsoll(App::Example("upload")).start();
    // The first transfers fill what is kept for all later ones; they are not growth.
    for _ in 0..3 {
        assert_eq!(server.get("/download?bytes=10000000").body.len(), 10_000_000);
        upload(&server, 10_000_000, || ());
    }
    server
}

/// Remembers how far memory went above where it stood.
struct Growth<'a> {
    server: &'a Server,
    before: u64,
    most: u64,
}

impl<'a> Growth<'a> {
    fn of(server: &'a Server) -> Self {
        Self { server, before: server.resident_bytes(), most: 0 }
    }

    fn look(&mut self) {
        self.most = self.most.max(self.server.resident_bytes().saturating_sub(self.before));
    }

    fn check(&mut self) {
        self.look();
        eprintln!("{} KB before, {} KB more at most", self.before / 1024, self.most / 1024);
        assert!(self.most < 8 * MB, "grew by {} KB from {} KB", self.most / 1024, self.before / 1024);
    }
}

fn download(query: &str) {
    let server = server();
    let mut growth = Growth::of(&server);
    let mut client = server.connect();
    client.send(format!("GET /download?bytes={GIB}{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    // Slow at first: every buffer on the way fills, and stays full for a while.
    let head = client.take_past("\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 200"));
    let mut received = 0;
    for _ in 0..300 {
        received += client.take(1024).len();
        pause(std::time::Duration::from_millis(2));
        growth.look();
    }
    let mut left = 0;
    while let Some(piece) = client.piece() {
        received += piece;
        left += piece;
        if left > 32 << 20 {
            left = 0;
            growth.look();
        }
    }
    // A chunked answer also carries its chunk lines.
    assert!(received >= GIB, "{received} of {GIB} bytes");
    assert!(query.contains("chunked") || received == GIB, "{received} bytes");
    growth.check();
}

#[test]
fn a_download_of_one_gib_to_a_slow_reader() {
    download("");
}

#[test]
fn a_chunked_download_of_one_gib_to_a_slow_reader() {
    download("&chunked");
}

#[test]
fn an_upload_of_one_gib() {
    let server = server();
    let mut growth = Growth::of(&server);
    let answer = upload(&server, GIB, || growth.look());
    assert_eq!(answer["bytes"], GIB);
    growth.check();
}

#[test]
fn what_a_burst_needed_is_given_back() {
    const BURST: usize = 1500;
    open_many_files();
    let app = "let waiting = [];
    require('node:http').createServer((request, response) => {
        if (request.url === '/wait') return waiting.push(response);
        response.end(String(waiting.length));
        if (request.url !== '/go') return;
        waiting.forEach((response) => response.end('went'));
        waiting = [];
    }).listen(process.env.PORT)";
    let launch = Launch::plimsoll(App::source(app)).env("PLIMSOLL_EVENT_LOOP_SHED_AFTER", "off");
    let server = launch.start();
    assert_eq!(server.get("/count").body, b"0");
    let before = server.resident_bytes();
    let mut clients: Vec<Client> = (0..BURST).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("GET /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    }
    until("all requests run", || (server.get("/count").body == BURST.to_string().as_bytes()).then_some(()));
    let most = server.resident_bytes();
    server.get("/go");
    for mut client in clients {
        assert_eq!(client.response("GET").body, b"went");
    }
    let enough = before + (most - before) / 2;
    let after =
        until("half of it is given back", || Some(server.resident_bytes()).filter(|bytes| *bytes < enough));
    eprintln!("{} KB before, {} KB at most, {} KB after", before / 1024, most / 1024, after / 1024);
    assert!(most - before > 4 * MB, "the burst was none: {} KB more", (most - before) / 1024);
}

#[test]
fn every_byte_is_the_right_one() {
    let app = App::Example("upload");
    let servers = [Launch::plain(app.clone()).start(), Launch::plimsoll(app).start()];
    let [plain, plimsoll] = servers.map(|server| upload(&server, 20_000_003, || ()));
    assert_eq!(plimsoll, plain);
}

#[test]
fn every_downloaded_byte_is_the_right_one() {
    let server = Launch::plimsoll(App::Example("upload")).start();
    for query in ["", "&chunked"] {
        let body = server.get(&format!("/download?bytes=20000003{query}")).body;
        assert_eq!(body.len(), 20_000_003);
        let expected: Vec<u8> = WORD.iter().copied().cycle().take(64 * 1024).collect();
        assert!(body.chunks(expected.len()).all(|piece| *piece == expected[..piece.len()]), "{query}");
    }
}

/// Uploads `bytes` bytes that repeat with no period of a power of two; gives what the app counted and hashed.
fn upload(server: &Server, bytes: usize, mut now_and_then: impl FnMut()) -> serde_json::Value {
    let piece: Vec<u8> = (0..=250).cycle().take(251 * 4096).collect();
    let mut client: Client = server.connect();
    client.send(format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n"));
    let mut left = bytes;
    while left > 0 {
        let now = left.min(piece.len());
        client.send(&piece[..now]);
        left -= now;
        now_and_then();
    }
    client.final_response("POST").json()
}
