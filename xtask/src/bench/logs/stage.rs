//! The app that logs, by itself or under Plimsoll, and who reads what it writes.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{ChildStdout, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use super::{Bench, pino};
use crate::bench::child::{self, Child};
use crate::bench::client::{self, Address};
use crate::bench::procfs::Pid;
use crate::bench::wait;
use crate::bench::workshop::{app, free_port};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// `node app.js | reader`
    Plain,
    /// `plimsoll run -- node app.js | reader`
    Plimsoll,
}

/// What is asked of Plimsoll.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    /// The rest of `plimsoll.toml`.
    pub(super) settings: &'a str,
    /// Another Node than the workshop's.
    pub(super) node: Option<&'a std::path::Path>,
}

/// A running app. Ends with it.
pub(super) struct Stage {
    pub(super) port: u16,
    pub(super) directory: PathBuf,
    pub(super) reader: Reader,
    child: Child,
}

/// Reads what comes, and throws it away, unless it is told to rest.
#[derive(Debug, Clone)]
pub(super) struct Reader(Arc<Reading>);

#[derive(Debug)]
struct Reading {
    rests: AtomicBool,
    bytes: AtomicU64,
    is_over: AtomicBool,
}

impl Stage {
    pub(super) fn start(bench: &Bench<'_>, how: How, asked: Asked<'_>) -> anyhow::Result<Self> {
        let port = free_port()?;
        let directory = bench.workshop.directory.join(format!("logs-{port}"));
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("plimsoll.toml"), asked.settings)?;
        let placement = bench.workshop.placement;
        let node = asked.node.unwrap_or(&bench.workshop.node);
        let log = directory.join("stderr.log");
        let common = |command: &mut Command| {
            command.current_dir(&directory).env("PORT", port.to_string()).env("PINO", pino());
            command.env_remove("NODE_OPTIONS").env("XDG_RUNTIME_DIR", &directory);
        };
        let (child, stdout) = match how {
            How::Plain => Child::start_piped(node, placement.worker, &log, |command| {
                common(command);
                command.arg(app("logs.js"));
            }),
            How::Plimsoll => Child::start_piped(&bench.plimsoll, placement.proxy, &log, |command| {
                common(command);
                command.args(["run", "--admin", "off", "--"]);
                if let Some(cpu) = placement.worker {
                    command.args(["taskset", "-c", &cpu.to_string()]);
                }
                command.arg(node).arg(app("logs.js"));
            }),
        }?;
        let reader = child::on_cpu(placement.proxy, || Reader::start(stdout))?;
        let stage = Self { port, directory, reader, child };
        wait::until(wait::START_WITHIN, "the first answer", || stage.get("/").ok())
            .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        Ok(stage)
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<String> {
        client::get(&Address::port(self.port), path)
    }

    pub(super) fn pid(&self) -> Pid {
        self.child.pid()
    }
}

impl Reader {
    fn start(stdout: ChildStdout) -> anyhow::Result<Self> {
        let reader = Self(Arc::new(Reading {
            rests: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }));
        let own = reader.clone();
        thread::Builder::new().name("reader".to_owned()).spawn(move || own.run(stdout))?;
        Ok(reader)
    }

    fn run(&self, mut stdout: ChildStdout) {
        let mut block = vec![0; 256 * 1024];
        loop {
            while self.0.rests.load(Ordering::Relaxed) {
                wait::pause(Duration::from_millis(5));
            }
            match stdout.read(&mut block) {
                Ok(count @ 1..) => drop(self.0.bytes.fetch_add(count as u64, Ordering::Relaxed)),
                _ => break,
            }
        }
        self.0.is_over.store(true, Ordering::Relaxed);
    }

    pub(super) fn rest(&self, rests: bool) {
        self.0.rests.store(rests, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }
}

/// Newlines of a file; 0 where it is not there yet.
pub(super) fn lines_of(path: &std::path::Path) -> u64 {
    let Ok(mut file) = File::open(path) else { return 0 };
    let mut block = vec![0; 1 << 20];
    let mut lines = 0;
    while let Ok(count @ 1..) = file.read(&mut block) {
        lines += block.iter().take(count).filter(|byte| **byte == b'\n').count() as u64;
    }
    lines
}
