//! Somebody looks at Plimsoll all the time: the dashboard's stream is open, and metrics are asked for.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::client::{self, Address};
use crate::bench::peer::Serving;
use crate::bench::wait;

const ASK_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Watched {
    events: TcpStream,
    bytes: Arc<AtomicU64>,
    /// Held here alone: whoever asks for metrics ends with it.
    asking: Arc<AtomicU64>,
}

impl Watched {
    pub(super) fn start(admin: u16) -> anyhow::Result<Self> {
        let mut events = TcpStream::connect(("127.0.0.1", admin))?;
        write!(events, "GET /events HTTP/1.1\r\nHost: 127.0.0.1:{admin}\r\n\r\n")?;
        let watched = Self { events, bytes: Arc::default(), asking: Arc::default() };
        let (mut stream, bytes) = (watched.events.try_clone()?, Arc::clone(&watched.bytes));
        drop(thread::spawn(move || {
            let mut block = [0; 16 * 1024];
            while let Ok(count) = stream.read(&mut block)
                && count > 0
            {
                bytes.fetch_add(count as u64, Ordering::Relaxed);
            }
        }));
        let answers = Arc::downgrade(&watched.asking);
        drop(thread::spawn(move || {
            let mut next = Instant::now();
            while let Some(answers) = answers.upgrade() {
                if Instant::now() >= next {
                    next += ASK_EVERY;
                    let is_told = client::get(&Address::port(admin), "/metrics").is_ok();
                    answers.fetch_add(u64::from(is_told), Ordering::Relaxed);
                }
                drop(answers);
                wait::pause(Duration::from_millis(100));
            }
        }));
        Ok(watched)
    }

    /// That everything was on.
    pub(super) fn seen(&self, serving: &Serving<'_>) -> Value {
        json!({
            "dashboard_bytes": self.bytes.load(Ordering::Relaxed),
            "metrics_answers": self.asking.load(Ordering::Relaxed),
            "access_lines": serving.output_lines(),
        })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _over = self.events.shutdown(Shutdown::Both);
    }
}
