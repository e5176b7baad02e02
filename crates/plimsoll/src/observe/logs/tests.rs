//! Real pipes, and a sink that remembers.

use std::sync::Mutex;

use rustix::io::write;

use super::*;
use crate::concerns::logs::record::Record;

const WORKER: WorkerId = WorkerId { index: 3, incarnation: 1 };
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Remembering(Arc<Mutex<Vec<Arc<Record>>>>);

impl Sink for Remembering {
    fn name(&self) -> &str {
        "remembering"
    }

    fn offer(&self, records: &[Arc<Record>]) {
        self.0.lock().unwrap().extend_from_slice(records);
    }

    fn close(&self, _deadline: Instant) {}

    fn wait(&self, _deadline: Instant) {}
}

impl Remembering {
    fn lines(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().iter().map(|record| record.line.clone()).collect()
    }
}

fn start(settings: &config::Logs) -> (Pipeline, Remembering) {
    let sink = Remembering::default();
    (Pipeline::start_alone(settings, vec![Box::new(sink.clone())]).unwrap(), sink)
}

fn wait(what: impl Fn() -> bool) {
    while !what() {
        thread::yield_now();
    }
}

#[test]
fn everything_is_handed_over_before_a_tap_is_settled() {
    let (pipeline, sink) = start(&config::Logs::default());
    let (ours, theirs) = pipe().unwrap();
    let tail = Tail::default();
    let tap = pipeline.capture().adopt(WORKER, 7, Stream::Stderr, ours, tail.clone()).unwrap();
    write(&theirs, b"Error: first\n    at a.js\nhalf").unwrap();
    wait(|| tap.is_settled());
    assert_eq!(sink.lines(), ["Error: first\n    at a.js"], "the unfinished line waits");
    drop(theirs);
    wait(|| tap.is_settled() && sink.lines().len() == 2);
    assert_eq!(tail.last_lines(9), ["Error: first", "    at a.js", "half"]);
    let figures = pipeline.stats().worker_figures(3).unwrap();
    assert_eq!((figures.bytes, figures.lost_lines), (29, 0));
    pipeline.close(Instant::now() + SECOND);
}

#[test]
fn lines_that_were_read_at_once_have_each_a_time_of_its_own() {
    let (pipeline, sink) = start(&config::Logs::default());
    let (ours, theirs) = pipe().unwrap();
    let _tap = pipeline.capture().adopt(WORKER, 7, Stream::Stdout, ours, Tail::default()).unwrap();
    write(&theirs, b"same\nsame\n{\"msg\":\"same\"}\n{\"msg\":\"same\"}\nlast").unwrap();
    drop(theirs);
    wait(|| sink.lines().len() == 5);
    let times: Vec<u64> = sink.0.lock().unwrap().iter().map(|record| record.at).collect();
    assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
    pipeline.close(Instant::now() + SECOND);
}

#[test]
fn what_we_say_in_colour_is_logged_without() {
    for (line, bare) in [
        ("plimsoll: \x1b[31merror:\x1b[0m x", "plimsoll: error: x"),
        ("\x1b[2;33m", ""),
        ("a\x1b", "a"),
        ("a\x1bb", "ab"),
        ("a\x1b[3", "a[3"),
        ("plain", "plain"),
    ] {
        assert_eq!(without_colour(line.as_bytes()), bare, "{line:?}");
    }
    let mirror = Mirror::default();
    let (pipeline, sink) = start(&config::Logs::default());
    pipeline.reflect(&mirror);
    mirror.say(Level::Error, b"plimsoll: \x1b[31merror:\x1b[0m bad\n");
    wait(|| sink.lines() == ["plimsoll: error: bad"]);
    pipeline.close(Instant::now() + SECOND);
}

#[test]
fn the_end_loses_nothing_that_was_written_before_it() {
    let (pipeline, sink) = start(&config::Logs::default());
    let mut written = 0;
    let mut kept_open = Vec::new();
    for _ in 0..4 {
        let (ours, theirs) = pipe().unwrap();
        drop(pipeline.capture().adopt(WORKER, 7, Stream::Stdout, ours, Tail::default()).unwrap());
        let text = "a line of some length\n".repeat(3000);
        written += write(&theirs, text.as_bytes()).unwrap();
        kept_open.push(theirs);
    }
    pipeline.close(Instant::now() + SECOND * 30);
    let got: usize = sink.lines().iter().map(|line| line.len() + 1).sum();
    assert_eq!(got, written);
}

#[test]
fn a_full_buffer_drops_and_counts_and_goes_on() {
    /// A sink that does not keep the contract: it blocks.
    struct Stuck(Mutex<mpsc::Receiver<()>>);
    impl Sink for Stuck {
        fn name(&self) -> &str {
            "stuck"
        }
        fn offer(&self, _records: &[Arc<Record>]) {
            let _released = self.0.lock().unwrap().recv();
        }
        fn close(&self, _deadline: Instant) {}
        fn wait(&self, _deadline: Instant) {}
    }
    let settings = config::Logs { buffer_bytes: 1024 * 1024, ..config::Logs::default() };
    let (release, stuck) = mpsc::channel();
    let sink = Remembering::default();
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(Stuck(Mutex::new(stuck))), Box::new(sink.clone())];
    let pipeline = Pipeline::start_alone(&settings, sinks).unwrap();
    let (ours, theirs) = pipe().unwrap();
    let _tap = pipeline.capture().adopt(WORKER, 7, Stream::Stdout, ours, Tail::default()).unwrap();
    let text = "0123456789\n".repeat(1000);
    // Far more than the pipe and the buffer hold: the writer is never held up.
    for _ in 0..800 {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written = write(&theirs, rest).unwrap();
            rest = &rest[written..];
        }
    }
    drop(theirs);
    wait(|| pipeline.stats().lost_lines() > 0);
    drop(release);
    let stats = Arc::clone(pipeline.stats());
    pipeline.close(Instant::now() + SECOND * 30);
    let lines = sink.lines();
    assert!(lines.iter().all(|line| line == "0123456789"), "no line is torn");
    let lost = usize::try_from(stats.lost_lines()).unwrap();
    // At each gap up to two half lines go that are not counted as whole.
    assert!(lines.len() + lost <= 800_000 && lost > 0, "{} {lost}", lines.len());
}
