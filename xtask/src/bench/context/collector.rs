//! Takes whatever is sent to it over HTTP and says that it is fine: what a collector costs is not of interest.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

pub(in super::super) struct Collector {
    pub(in super::super) url: String,
    bytes: Arc<AtomicU64>,
}

impl Collector {
    pub(in super::super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let bytes = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&bytes);
        drop(thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                drop(thread::spawn(move || take_all(&stream, &counted)));
            }
        }));
        Ok(Self { url, bytes })
    }

    pub(in super::super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// `None`: the connection is over.
fn take_all(stream: &TcpStream, counted: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).ok().filter(|count| *count > 0)? > 0 && line != "\r\n" {
            let header = line.to_ascii_lowercase();
            if let Some(text) = header.strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
            line.clear();
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        counted.fetch_add(length, Ordering::Relaxed);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        (&*stream).write_all(answer).ok()?;
    }
}
