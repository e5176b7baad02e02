//! Whoever is sent batches over HTTP: answers with a status and keeps what it gets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

pub(crate) struct Collector {
    pub(crate) port: u16,
    /// What it answers; with 0 it resets the connection. It keeps what it answers 200 to.
    pub(crate) status: Arc<AtomicU16>,
    taken: Arc<Mutex<Vec<Taken>>>,
}

/// One request.
struct Taken {
    path: String,
    content_type: String,
    body: Vec<u8>,
}

impl Collector {
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let collector = Self { port, status: Arc::new(AtomicU16::new(status)), taken: Arc::default() };
        let (status, taken) = (Arc::clone(&collector.status), Arc::clone(&collector.taken));
        drop(thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, taken) = (Arc::clone(&status), Arc::clone(&taken));
                drop(thread::spawn(move || answer(&stream, &status, &taken)));
            }
        }));
        collector
    }

    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies_at("")
    }

    /// Of the requests whose path begins so.
    pub(crate) fn bodies_at(&self, path: &str) -> Vec<Vec<u8>> {
        let taken = self.taken.lock().unwrap();
        taken.iter().filter(|one| one.path.starts_with(path)).map(|one| one.body.clone()).collect()
    }

    /// As which types its bodies came.
    pub(crate) fn types(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|one| one.content_type.clone()).collect()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.bodies().iter().any(|body| String::from_utf8_lossy(body).contains(text))
    }
}

fn answer(stream: &TcpStream, status: &AtomicU16, taken: &Mutex<Vec<Taken>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut content_type) = (0, String::new());
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        line.clear();
        while reader.read_line(&mut line).ok()? > 0 && line != "\r\n" {
            let header = line.to_ascii_lowercase();
            length =
                header.strip_prefix("content-length: ").map_or(length, |text| text.trim().parse().unwrap());
            if let Some(text) = header.strip_prefix("content-type: ") {
                text.trim().clone_into(&mut content_type);
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok().filter(|()| length > 0)?;
        let status = status.load(Ordering::SeqCst);
        if status == 0 {
            // Closing with nothing to linger for is a reset.
            set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
            return None;
        }
        if status == 200 {
            taken.lock().unwrap().push(Taken { path, content_type, body });
        }
        let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n");
        (&*stream).write_all(answer.as_bytes()).ok()?;
    }
}
