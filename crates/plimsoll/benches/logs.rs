//! `cargo xtask bench logs`: what the log pipeline costs, in lines per second of one core and for the app.
//!
//! A thread writes 200-byte pino lines into a real pipe as fast as it is read; what the pipeline's own two threads
//! used of the CPU is taken from `/proc`, so that neither the writer nor other programs count. The app's side is the
//! CPU that a Node process reports for so many lines, beside the same process with a plain pipe and a fast reader.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot be made has failed")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::concerns::logs::record::Stream;
use plimsoll::config::{Compress, FileSink, LogFormat, LogLevel, LogSink, Logs, SinkTarget};
use plimsoll::ids::WorkerId;
use plimsoll::observe::logs::{Pipeline, Tail, pipe};

const LINES: usize = 3_000_000;
const APP_LINES: usize = 200_000;
const ROUNDS: usize = 3;
const BUFFER_BYTES: u64 = 64 << 20;
const WORKER: WorkerId = WorkerId { index: 0, incarnation: 1 };

fn main() {
    println!("pipeline, {LINES} lines of 200 bytes");
    println!("{:<32}{:>14}{:>16}{:>14}{:>12}", "", "lines/s", "lines/s core", "kept", "lost");
    let unlimited = Logs { rate: None, buffer_bytes: BUFFER_BYTES as usize, ..Logs::default() };
    let budget = Logs { buffer_bytes: BUFFER_BYTES as usize, ..Logs::default() };
    let share = Logs { sample: Some(0.01), ..unlimited.clone() };
    for (name, settings) in [("all kept", &unlimited), ("budget 1000/s", &budget), ("share 0.01", &share)] {
        measure(&format!("{name}, no sink"), settings);
        let directory = tempfile::tempdir().unwrap();
        measure(&format!("{name}, file"), &with_file(settings, directory.path()));
    }
    println!("\napp, {APP_LINES} lines, CPU of the process in ms (user + system), least of {ROUNDS}");
    println!("{:<32}{:>14}{:>16}", "", "plain pipe", "pipeline");
    for (name, script) in [("console.log", CONSOLE), ("fs.writeSync (pino sync)", SYNC)] {
        let least = |run: fn(&str) -> u64| (0..ROUNDS).map(|_| run(script)).min().unwrap_or_default();
        println!("{name:<32}{:>14}{:>16}", least(app_with_plain_pipe), least(app_with_pipeline));
    }
}

/// With the file sink as it is by default, so that setting aside and packing are in the figure.
fn with_file(settings: &Logs, directory: &Path) -> Logs {
    let target = SinkTarget::File(FileSink {
        path: directory.join("app.log"),
        format: LogFormat::Raw,
        rotate_bytes: 100 << 20,
        rotate_every: None,
        keep: 2,
        compress: Compress::Gzip,
    });
    let sink =
        LogSink { name: "file".to_owned(), level: Some(LogLevel::Trace), queue_bytes: 64 << 20, target };
    Logs { sinks: vec![sink], ..settings.clone() }
}

fn measure(name: &str, settings: &Logs) {
    // The threads of the one before would be counted with the new ones.
    while cpu() > 0.0 {
        thread::yield_now();
    }
    let pipeline = Pipeline::start_alone(settings, Vec::new()).unwrap();
    let (ours, theirs) = pipe().unwrap();
    let tap = pipeline.capture().adopt(WORKER, 1, Stream::Stdout, ours, Tail::default()).unwrap();
    let stats = Arc::clone(pipeline.stats());
    let start = Instant::now();
    let mut pipe = File::from(theirs);
    let mut block = Vec::new();
    for number in 0..LINES {
        line(number, &mut block);
        if block.len() > 60_000 {
            pipe.write_all(&block).unwrap();
            block.clear();
            // What is dropped costs next to nothing: the figure must be of lines that were dealt with.
            while stats.buffer_bytes() > BUFFER_BYTES / 4 {
                thread::yield_now();
            }
        }
    }
    pipe.write_all(&block).unwrap();
    drop(pipe);
    while !tap.is_settled() {
        thread::yield_now();
    }
    let (wall, used) = (start.elapsed().as_secs_f64(), cpu());
    pipeline.close(Instant::now() + Duration::from_secs(5));
    let decided = stats.decided();
    let kept: u64 =
        decided.iter().filter(|(verdict, ..)| verdict.word() == "kept").map(|(_, _, lines, _)| lines).sum();
    let per_second = |seconds: f64| LINES as f64 / seconds / 1e6;
    println!(
        "{name:<32}{:>13.2}M{:>15.2}M{kept:>14}{:>12}",
        per_second(wall),
        per_second(used),
        stats.lost_lines()
    );
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

/// Seconds that the pipeline's threads have used, those of sinks among them.
fn cpu() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted").flatten();
    let ticks: u64 = tasks
        .filter_map(|task| fs::read_to_string(task.path().join("stat")).ok())
        .filter(|stat| stat.contains("(logs"))
        .map(|stat| {
            let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
            let field =
                |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            field(14) + field(15)
        })
        .sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

const CONSOLE: &str = "for (let i = 0; i < N; i++) console.log(LINE + i);";
const SYNC: &str = "const fs = require('fs'); const all = (text) => { for (;;) try { return fs.writeSync(1, text) } \
                    catch (error) { if (error.code !== 'EAGAIN') throw error } }; \
                    for (let i = 0; i < N; i++) all(LINE + i + '\\n');";

fn app(script: &str, stdout: impl Into<Stdio>) -> u64 {
    // In slices, so that the loop turns and what is queued is written, as in an app.
    let program = format!(
        "const N = 1000, LINE = 'x'.repeat(190); let left = {}; \
         const work = () => {{ {script} }}; \
         const turn = () => {{ work(); --left ? setImmediate(turn) : process.stdout.write('', () => {{ \
         const {{ user, system }} = process.cpuUsage(before); \
         process.stderr.write(String(Math.round((user + system) / 1000))) }}) }}; \
         const before = process.cpuUsage(); turn();",
        APP_LINES / 1000
    );
    let node = std::env::var("PLIMSOLL_BENCH_NODE").unwrap_or_else(|_| "node".to_owned());
    let output =
        Command::new(node).args(["-e", &program]).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
    String::from_utf8_lossy(&output.stderr).trim().parse().expect("node tells its CPU")
}

fn app_with_plain_pipe(script: &str) -> u64 {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let reading = thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        while reader.read(&mut buffer).unwrap() > 0 {}
    });
    let used = app(script, writer);
    reading.join().unwrap();
    used
}

fn app_with_pipeline(script: &str) -> u64 {
    let pipeline = Pipeline::start_alone(&Logs::default(), Vec::new()).unwrap();
    let (ours, theirs) = pipe().unwrap();
    let tap = pipeline.capture().adopt(WORKER, 1, Stream::Stdout, ours, Tail::default()).unwrap();
    let used = app(script, theirs);
    drop(tap);
    pipeline.close(Instant::now() + Duration::from_secs(5));
    used
}
