//! The pipeline by itself, for `cargo xtask bench logs`: one JSON object a line.
//!
//! A thread writes 200-byte pino lines into a real pipe as fast as it is read; what the pipeline's own threads used of
//! the CPU is taken from `/proc`, so that neither the writer nor other programs count.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot be made has failed")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::concerns::logs::record::Stream;
use plimsoll::config::{Compress, FileSink, LogFormat, LogLevel, LogSink, Logs, SinkTarget};
use plimsoll::ids::WorkerId;
use plimsoll::observe::logs::{Pipeline, Tail, pipe};
use serde_json::json;

const LINES: usize = 3_000_000;
const BUFFER_BYTES: usize = 64 << 20;
/// Written at once, and before it is looked whether the pipeline keeps up.
const BLOCK_BYTES: usize = 60_000;
const WORKER: WorkerId = WorkerId { index: 0, incarnation: 1 };

/// What one run found.
struct Found {
    /// Of the pipeline's threads, per line.
    cpu_us: f64,
    wall_us: f64,
    kept: u64,
    lost: u64,
}

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_usize);
    let unlimited = Logs { rate: None, buffer_bytes: BUFFER_BYTES, ..Logs::default() };
    let budget = Logs { buffer_bytes: BUFFER_BYTES, ..Logs::default() };
    let share = Logs { sample: Some(0.01), ..unlimited.clone() };
    // Made before: only the pipeline is to be measured.
    let blocks = blocks();
    for (rules, settings) in [("all kept", &unlimited), ("budget 1000/s", &budget), ("share 0.01", &share)] {
        for sink in ["none", "file"] {
            let all = (0..rounds).map(|_| {
                let directory = tempfile::tempdir().unwrap();
                let with_sink = with_file(settings, directory.path());
                measure(if sink == "file" { &with_sink } else { settings }, &blocks)
            });
            let least = all.min_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us)).unwrap();
            println!(
                "{}",
                json!({
                    "rules": rules, "sink": sink, "cpu_us": least.cpu_us, "wall_us": least.wall_us, "kept": least.kept,
                    "lost": least.lost,
                })
            );
        }
    }
}

/// With the file sink as it is by default, but for the packing of old files: that has all the time it wants.
fn with_file(settings: &Logs, directory: &Path) -> Logs {
    let target = SinkTarget::File(FileSink {
        path: directory.join("app.log"),
        format: LogFormat::Raw,
        rotate_bytes: 100 << 20,
        rotate_every: None,
        keep: 1,
        compress: Compress::Off,
    });
    let sink = LogSink {
        name: "file".to_owned(),
        level: Some(LogLevel::Trace),
        queue_bytes: 64 << 20,
        spill: None,
        target,
    };
    Logs { sinks: vec![sink], ..settings.clone() }
}

fn measure(settings: &Logs, blocks: &[Vec<u8>]) -> Found {
    // The threads of the one before would be counted with the new ones.
    while cpu_ns() > 0 {
        thread::yield_now();
    }
    let pipeline = Pipeline::start_alone(settings, Vec::new()).unwrap();
    let (ours, theirs) = pipe().unwrap();
    let tap = pipeline.capture().adopt(WORKER, 1, Stream::Stdout, ours, Tail::default()).unwrap();
    let stats = Arc::clone(pipeline.stats());
    let start = Instant::now();
    let mut pipe = File::from(theirs);
    for block in blocks {
        pipe.write_all(block).unwrap();
        // What is dropped costs next to nothing: the figure must be of lines that were dealt with.
        while stats.buffer_bytes() > BUFFER_BYTES as u64 / 4 || waiting(&stats) > BUFFER_BYTES as u64 / 4 {
            thread::yield_now();
        }
    }
    drop(pipe);
    while !tap.is_settled() || waiting(&stats) > 0 {
        thread::yield_now();
    }
    let (wall, used) = (start.elapsed().as_secs_f64(), cpu_ns());
    pipeline.close(Instant::now() + Duration::from_secs(5));
    let decided = stats.decided();
    let kept =
        decided.iter().filter(|(verdict, ..)| verdict.word() == "kept").map(|(_, _, lines, _)| lines).sum();
    let dropped: u64 = stats.sinks().iter().map(|sink| sink.dropped_items()).sum();
    Found {
        cpu_us: used as f64 / 1000.0 / LINES as f64,
        wall_us: wall * 1e6 / LINES as f64,
        kept,
        lost: stats.lost_lines() + dropped,
    }
}

/// Bytes that wait for the sinks.
fn waiting(stats: &plimsoll::observe::logs::Stats) -> u64 {
    stats.sinks().iter().map(|sink| sink.queue_bytes()).sum()
}

fn blocks() -> Vec<Vec<u8>> {
    let mut blocks = vec![Vec::new()];
    for number in 0..LINES {
        if blocks.last().is_some_and(|block: &Vec<u8>| block.len() > BLOCK_BYTES) {
            blocks.push(Vec::new());
        }
        line(number, blocks.last_mut().expect("there is one"));
    }
    blocks
}

/// As pino writes it, 200 bytes with the newline.
fn line(number: usize, block: &mut Vec<u8>) {
    let start = block.len();
    let (level, request) = (if number.is_multiple_of(1000) { 50 } else { 30 }, number / 5);
    write!(
        block,
        "{{\"level\":{level},\"time\":1795400000000,\"pid\":4242,\"hostname\":\"pod-7f9c\",\"reqId\":\"req-{request}\",\
         \"route\":\"/users/:id\",\"ms\":12,\"msg\":\"request {number} completed"
    )
    .unwrap();
    block.resize((start + 197).max(block.len()), b'.');
    block.extend_from_slice(b"\"}\n");
}

/// What the pipeline's threads have used, those of sinks among them.
fn cpu_ns() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted").flatten();
    // The first thread bears the name of this program, which begins so as well.
    let own = std::process::id().to_string();
    let named = tasks.filter(|task| {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        task.file_name().to_str() != Some(own.as_str()) && name.starts_with("logs")
    });
    let used = named.filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
    used.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
}
