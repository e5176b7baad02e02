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
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let collector = Self { port, status: Arc::new(AtomicU16::new(status)), bodies: Arc::default() };
        let (status, bodies) = (Arc::clone(&collector.status), Arc::clone(&collector.bodies));
        drop(thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, bodies) = (Arc::clone(&status), Arc::clone(&bodies));
                drop(thread::spawn(move || answer(&stream, &status, &bodies)));
            }
        }));
        collector
    }

    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies.lock().unwrap().clone()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.bodies().iter().any(|body| String::from_utf8_lossy(body).contains(text))
    }
}

fn answer(stream: &TcpStream, status: &AtomicU16, bodies: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).ok()? > 0 && line != "\r\n" {
            let header = line.to_ascii_lowercase();
            length =
                header.strip_prefix("content-length: ").map_or(length, |text| text.trim().parse().unwrap());
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
            bodies.lock().unwrap().push(body);
        }
        let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n");
        (&*stream).write_all(answer.as_bytes()).ok()?;
    }
}
