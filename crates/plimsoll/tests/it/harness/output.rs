//! What a process printed, collected while it runs.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// One stream of a process.
#[derive(Debug)]
pub(crate) struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    pub(super) fn collect(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let collected = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut piece = [0; 64 * 1024];
            while let Ok(n @ 1..) = stream.read(&mut piece) {
                collected.lock().unwrap().extend_from_slice(&piece[..n]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    /// What was printed so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Everything, once the process and all that inherited the stream are gone.
    pub(crate) fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}
