//! Queues and shippers with a target that does as it is told, and the file sink with a real file.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::concerns::logs::record::{Shape, Stream};
use crate::config::{Compress, FileSink, LogFormat};
use crate::observe::ship::Trouble;
use crate::observe::ship::queue::Limits;
use crate::observe::ship::until::Until;

pub(super) fn record(level: Level, line: impl Into<Bytes>) -> Arc<Record> {
    Arc::new(Record {
        worker: Some(crate::ids::WorkerId { index: 3, incarnation: 1 }),
        pid: 7,
        stream: Stream::Stdout,
        level,
        at: 1_795_803_753_123_000_000,
        shape: Shape::Plain,
        line: line.into(),
        of_request: None,
        trace: None,
        weight: 1,
    })
}

/// What the target does with the next batches; what it got.
#[derive(Default)]
struct Target {
    answers: Vec<Trouble>,
    taken: Vec<String>,
    attempts: usize,
    is_stuck: bool,
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Target>>);

impl Told {
    fn with<T>(&self, act: impl FnOnce(&mut Target) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Outlet<Record> for Told {
    fn deliver(&mut self, batch: &[Arc<Record>], _until: &Until) -> Result<(), Trouble> {
        wait(|| !self.with(|target| target.is_stuck));
        self.with(|target| {
            target.attempts += 1;
            if let Some(trouble) = target.answers.pop() {
                return Err(trouble);
            }
            let lines = batch.iter().map(|record| String::from_utf8_lossy(&record.line).into_owned());
            target.taken.extend(lines);
            Ok(())
        })
    }

    fn limits(&self) -> Limits {
        Limits { bytes: 1, within: Duration::ZERO }
    }
}

fn wait(what: impl Fn() -> bool) {
    while !what() {
        thread::yield_now();
    }
}

fn start(least: Option<Level>, bytes_max: usize) -> (Arc<Queue<Record>>, Told) {
    let told = Told::default();
    let queue =
        Arc::new(Queue::new(least.map(Level::index), bytes_max, Arc::new(ShipStats::new::<Record>("told"))));
    let shipper = Shipper::new(Arc::clone(&queue), Box::new(told.clone()));
    spawn("told", move || shipper.run()).unwrap();
    (queue, told)
}

fn later() -> Trouble {
    Trouble::Later { why: "away".to_owned(), hint: "wait", after: Some(Duration::ZERO) }
}

fn dropped(queue: &Queue<Record>) -> Vec<(&'static str, &'static str, u64)> {
    queue.stats().dropped().map(|(level, reason, lines)| (level, reason.word(), lines)).collect()
}

#[test]
fn lines_go_out_in_order_whatever_their_level_and_only_those_that_matter() {
    let (queue, told) = start(Some(Level::Info), 1 << 20);
    let levels = [Level::Error, Level::Debug, Level::Info, Level::Warn, Level::Info];
    let records: Vec<_> =
        levels.iter().enumerate().map(|(n, level)| record(*level, format!("{n}"))).collect();
    queue.offer(records.iter());
    queue.close(Instant::now() + Duration::from_secs(60));
    assert!(queue.wait_until_over(Instant::now() + Duration::from_secs(60)).is_none());
    assert_eq!(told.with(|target| target.taken.clone()), ["0", "2", "3", "4"]);
    assert!(dropped(&queue).is_empty(), "what is of no interest is not lost");
}

#[test]
fn what_failed_is_tried_again_until_it_is_taken() {
    let (queue, told) = start(Some(Level::Trace), 1 << 20);
    told.with(|target| target.answers = vec![later(), later(), later()]);
    queue.offer([record(Level::Info, "one")].iter());
    wait(|| queue.is_done_up_to(1));
    assert_eq!(told.with(|target| (target.attempts, target.taken.clone())), (4, vec!["one".to_owned()]));
    assert_eq!((queue.stats().failures(), queue.stats().items()), (3, 1));
}

#[test]
fn of_a_batch_that_is_refused_in_part_the_rest_counts_as_delivered() {
    let (queue, told) = start(Some(Level::Trace), 1 << 20);
    told.with(|target| target.answers = vec![Trouble::Partly { why: "some".to_owned(), items: 1 }]);
    queue.offer([record(Level::Info, "four")].iter());
    wait(|| queue.is_done_up_to(1));
    assert_eq!((queue.stats().items(), queue.stats().bytes(), queue.stats().dropped_items()), (0, 0, 1));
    let batch: Vec<_> = (0..4).map(|_| record(Level::Info, "four")).collect();
    let stats = ShipStats::new::<Record>("told");
    stats.deliver(&batch, 1);
    assert_eq!((stats.items(), stats.bytes(), stats.dropped_items()), (3, 15, 1));
}

#[test]
fn whoever_asks_for_no_patience_is_given_some() {
    let (queue, told) = start(Some(Level::Trace), 1 << 20);
    told.with(|target| target.answers = vec![later(), later()]);
    let begun = Instant::now();
    queue.offer([record(Level::Info, "one")].iter());
    wait(|| queue.is_done_up_to(1));
    assert!(begun.elapsed() >= Duration::from_millis(250 + 500), "{:?}", begun.elapsed());
}

#[test]
fn what_will_never_be_taken_is_dropped_and_the_next_goes_on() {
    let (queue, told) = start(Some(Level::Trace), 1 << 20);
    told.with(|target| target.answers = vec![Trouble::Never { why: "no".to_owned() }]);
    queue.offer([record(Level::Error, "bad"), record(Level::Info, "good")].iter());
    wait(|| queue.is_done_up_to(2));
    assert_eq!(told.with(|target| target.taken.clone()), ["good"]);
    assert_eq!(dropped(&queue), [("error", "refused", 1)]);
}

#[test]
fn a_full_queue_drops_debug_first_and_errors_last() {
    let (queue, told) = start(Some(Level::Trace), 20 * 300);
    told.with(|target| target.is_stuck = true);
    queue.offer([record(Level::Info, "first")].iter());
    wait(|| !queue.is_done_up_to(1));
    let lines = |level: Level, count: usize| {
        let records: Vec<_> = (0..count).map(|_| record(level, vec![b'x'; 100])).collect();
        queue.offer(records.iter());
    };
    lines(Level::Debug, 100);
    lines(Level::Info, 10);
    lines(Level::Error, 15);
    let lost: u64 = dropped(&queue).iter().map(|(.., lines)| lines).sum();
    assert_eq!(dropped(&queue).first().map(|(level, ..)| *level), Some("debug"));
    assert!(!dropped(&queue).iter().any(|(level, ..)| *level == "error"), "{:?}", dropped(&queue));
    lines(Level::Error, 100);
    assert!(dropped(&queue).iter().any(|(level, ..)| *level == "error"));
    assert!(queue.stats().queue_bytes() <= 20 * 300);
    told.with(|target| target.is_stuck = false);
    wait(|| queue.is_done_up_to(226));
    let sum = told.with(|target| target.taken.len() as u64) + queue.stats().dropped_items();
    assert!(sum == 226 && lost < sum);
}

#[test]
fn what_is_larger_than_the_queue_pushes_nothing_out() {
    let (queue, told) = start(Some(Level::Trace), 20 * 300);
    told.with(|target| target.is_stuck = true);
    let lines: Vec<_> = (0..10).map(|_| record(Level::Info, "x")).collect();
    queue.offer(lines.iter());
    queue.offer([record(Level::Error, vec![b'x'; 20 * 300])].iter());
    assert_eq!(dropped(&queue), [("error", "queue_full", 1)]);
    told.with(|target| target.is_stuck = false);
    wait(|| queue.is_done_up_to(11));
    assert_eq!(told.with(|target| target.taken.len()), 10);
}

#[test]
fn what_stays_of_much_does_not_keep_the_rest_alive() {
    let (queue, told) = start(Some(Level::Error), 1 << 20);
    told.with(|target| target.is_stuck = true);
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    queue.offer([record(Level::Error, piece.slice(..10))].iter());
    assert!(piece.is_unique());
    told.with(|target| target.is_stuck = false);
}

#[test]
fn a_target_that_is_gone_for_good_holds_nothing_up() {
    let (queue, told) = start(Some(Level::Trace), 1 << 20);
    told.with(|target| target.answers = vec![Trouble::Gone]);
    queue.offer([record(Level::Info, "one"), record(Level::Info, "two")].iter());
    queue.offer([record(Level::Info, "three")].iter());
    wait(|| queue.is_done_up_to(3));
    assert_eq!(dropped(&queue), [("info", "broken", 3)]);
}

#[test]
fn the_end_does_not_wait_beyond_its_deadline() {
    let (queue, told) = start(Some(Level::Trace), 1 << 20);
    told.with(|target| target.answers = (0..1000).map(|_| later()).collect());
    queue.offer([record(Level::Info, "one")].iter());
    wait(|| told.with(|target| target.attempts > 0));
    queue.close(Instant::now());
    queue.wait_until_over(Instant::now() + Duration::from_secs(60));
    assert_eq!(dropped(&queue), [("info", "undelivered", 1)]);
}

fn file(path: &Path) -> FileSink {
    FileSink {
        path: path.to_owned(),
        format: LogFormat::Raw,
        rotate_bytes: 1000,
        rotate_every: None,
        keep: 3,
        compress: Compress::Gzip,
    }
}

/// The files that were set aside, oldest first.
fn aside(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut old: Vec<_> = entries.filter(|path| path.file_name().unwrap() != "app.log").collect();
    old.sort();
    old
}

#[test]
fn a_large_file_is_set_aside_and_packed_and_old_ones_go() {
    let gunzip = |packed: fs::File| io::read_to_string(flate2::read::GzDecoder::new(packed));
    let unzstd = |packed: fs::File| {
        let decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(io::Error::other)?;
        io::read_to_string(decoder)
    };
    packs(Compress::Gzip, "gz", gunzip);
    packs(Compress::Zstd, "zst", unzstd);
}

fn packs(compress: Compress, end: &str, unpack: impl Fn(fs::File) -> io::Result<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/app.log");
    let mut sink = file::ToFile::start(&FileSink { compress, ..file(&path) }).unwrap();
    for number in 0..8 {
        sink.deliver(&[record(Level::Info, format!("{number}{}", "x".repeat(600)))], &Until::never())
            .unwrap();
    }
    let directory = path.parent().unwrap();
    let is_tidy = || {
        let old = aside(directory);
        old.len() == 3 && old.iter().all(|path| path.extension().is_some_and(|found| found == end))
    };
    wait(is_tidy);
    let newest = aside(directory).pop().unwrap();
    let text = unpack(fs::File::open(newest).unwrap()).unwrap();
    assert!(text.starts_with("6x") && text.ends_with("x\n"), "{end}");
    assert!(fs::read_to_string(path).unwrap().starts_with("7x"));
}

#[test]
fn what_is_packed_may_be_read_by_those_who_might_read_it_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    for mode in [0o640, 0o600] {
        fs::write(&path, "x".repeat(900)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let mut sink = file::ToFile::start(&file(&path)).unwrap();
        sink.deliver(&[record(Level::Info, "y".repeat(200))], &Until::never()).unwrap();
        let packed =
            || aside(directory.path()).pop().filter(|path| path.extension().is_some_and(|end| end == "gz"));
        wait(|| packed().is_some());
        assert_eq!(fs::metadata(packed().unwrap()).unwrap().mode() & 0o777, mode);
        fs::remove_file(packed().unwrap()).unwrap();
    }
}

#[test]
fn a_pipe_is_written_to_and_never_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let _reader = fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut sink = file::ToFile::start(&file(&path)).unwrap();
    for _ in 0..8 {
        sink.deliver(&[record(Level::Info, "x".repeat(600))], &Until::never()).unwrap();
    }
    assert_eq!(aside(directory.path()), Vec::<std::path::PathBuf>::new());
    assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
}

#[test]
fn how_long_a_file_is_the_file_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let mut sink = file::ToFile::start(&file(&path)).unwrap();
    let mut deliver = || sink.deliver(&[record(Level::Info, "x".repeat(600))], &Until::never()).unwrap();
    deliver();
    // As logrotate does with `copytruncate`.
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    deliver();
    assert_eq!(aside(directory.path()), Vec::<std::path::PathBuf>::new(), "there was room for it");
    assert_eq!(fs::metadata(&path).unwrap().len(), 601);
}

#[test]
fn files_that_are_set_aside_at_once_go_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let settings = FileSink { keep: 1, compress: Compress::Off, ..file(&path) };
    let mut sink = file::ToFile::start(&settings).unwrap();
    let lines = 300;
    for number in 0..lines {
        sink.deliver(&[record(Level::Info, format!("{number} {}", "x".repeat(990)))], &Until::never())
            .unwrap();
    }
    wait(|| aside(directory.path()).len() == 1);
    let text = fs::read_to_string(aside(directory.path()).remove(0)).unwrap();
    assert!(text.starts_with(&format!("{} ", lines - 2)), "{text}");
}

#[test]
fn a_file_that_was_moved_or_whose_directory_is_gone_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sub/app.log");
    let mut sink = file::ToFile::start(&FileSink { rotate_bytes: 1 << 30, ..file(&path) }).unwrap();
    sink.deliver(&[record(Level::Info, "one")], &Until::never()).unwrap();
    let mut again = |word: &str| {
        while !path.exists() {
            sink.deliver(&[record(Level::Info, word.to_owned())], &Until::never()).unwrap();
            thread::yield_now();
        }
    };
    let moved = directory.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    again("again");
    assert!(fs::read_to_string(&moved).unwrap().starts_with("one\nagain\n"), "until it is noticed");
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    again("and again");
    assert_eq!(fs::read_to_string(&path).unwrap(), "and again\n");
}

#[test]
fn a_disk_that_is_full_or_a_path_that_cannot_be_is_trouble_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let under_a_file = directory.path().join("file/app.log");
    for (path, what, hint) in [
        (Path::new("/dev/full"), "No space left on device", "make room"),
        (directory.path(), "Is a directory", "`path` is the file itself"),
        (&under_a_file, "cannot be written: ", "`path` is the file itself"),
    ] {
        let mut sink = file::ToFile::start(&file(path)).unwrap();
        match sink.deliver(&[record(Level::Info, "one")], &Until::never()) {
            Err(Trouble::Later { why, hint: given, .. }) => {
                assert!(why.contains(what) && given.starts_with(hint), "{why} {given}");
            }
            other => panic!("{other:?}"),
        }
    }
}
