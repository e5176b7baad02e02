//! The real program with a real command, in a home of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Far longer than anything here takes: only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `plimsoll run`; killed if a test leaves it running.
pub(crate) struct Program {
    pub home: tempfile::TempDir,
    pub port: u16,
    child: Child,
    lines: Receiver<String>,
    pub seen: Vec<String>,
}

/// How it ended: exit code and everything that it and its workers printed.
pub(crate) struct Ended {
    pub code: i32,
    pub lines: Vec<String>,
}

/// A port that is free at every address, as the apps here listen on all of them.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port()
}

impl Program {
    /// Runs `plimsoll run <options> -- <command>` beside a file `app.js` with this text, with `PORT` set.
    pub(crate) fn start(options: &[&str], command: &[&str], app: &str) -> Self {
        let home = tempfile::tempdir_in("/tmp").unwrap();
        std::fs::write(home.path().join("app.js"), app).unwrap();
        let port = free_port();
        let mut child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .arg("run")
            .args(["--admin", "off"])
            .args(options)
            .arg("--")
            .args(command)
            .current_dir(home.path())
            .env("PORT", port.to_string())
            .env("TMPDIR", home.path())
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("NODE_OPTIONS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _test_ended = sender.send(line);
                }
            });
        }
        Self { home, port, child, lines, seen: Vec::new() }
    }

    /// Waits for a line that contains `part`, and returns it.
    pub(crate) fn line(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line with {part:?}: {:#?}", self.seen)
            };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The body of the answer to a GET at the app's port.
    pub(crate) fn get(&self, path: &str) -> String {
        get(([127, 0, 0, 1], self.port).into(), path)
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("it does not end: {:#?}", self.seen)
                }
            }
        }
        let status = self.child.wait().unwrap();
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
        assert_eq!(instances(self.home.path()), 0, "its private directory is gone");
        Ended { code, lines: std::mem::take(&mut self.seen) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn instances(home: &Path) -> usize {
    let directories = std::fs::read_dir(home).unwrap().flatten();
    let bases = directories.filter(|entry| entry.file_name().to_string_lossy().starts_with("plimsoll-"));
    bases.map(|base| std::fs::read_dir(base.path()).unwrap().count()).sum()
}

pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or(answer)
}
