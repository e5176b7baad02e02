//! What waits on the disk for a sink whose target is away.
//!
//! One file: a head that says up to where it has been sent, and batches one after the other. It is made when it is
//! needed, emptied when all of it has been sent, and found again by the next run: what a collector did not take before
//! a restart is not lost. Nothing is synced, so a crash of the host may tear the end; a torn batch is cut off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use rustix::fs::{FlockOperation, flock};

use crate::concerns::logs::record::{Level, Record, RequestId, Shape, Stream};
use crate::config;
use crate::ids::WorkerId;
use crate::observe::ship::Aside;

/// The first bytes of the file; with the place up to which all has been sent they are the head.
const MAGIC: &[u8; 8] = b"plimspl1";
const HEAD_BYTES: u64 = 16;
/// Before each batch stands its length.
const LENGTH_BYTES: u64 = 4;
/// No batch is larger: a length beyond it is none.
const BATCH_BYTES_MAX: u64 = 64 << 20;
/// Logs hold what is not for everyone.
const MODE: u32 = 0o640;

#[derive(Debug)]
pub(super) struct Spill {
    path: PathBuf,
    bytes_max: u64,
    open: Option<Open>,
    /// It is looked once whether an earlier run has left something.
    has_looked: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// The next batch that is to be sent, and where the last one ends.
    start: u64,
    end: u64,
}

impl Spill {
    pub(super) fn new(settings: &config::Spill) -> Self {
        Self { path: settings.path.clone(), bytes_max: settings.bytes_max, open: None, has_looked: false }
    }
}

impl Aside<Record> for Spill {
    fn path(&self) -> &Path {
        &self.path
    }

    fn look(&mut self) -> io::Result<()> {
        if !self.has_looked && self.path.exists() {
            self.open = Some(Open::new(&self.path)?);
        }
        self.has_looked = true;
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.end - open.start)
    }

    fn push(&mut self, batch: &[Arc<Record>]) -> io::Result<()> {
        let entries = batch.iter().map(|record| Entry::from(&**record)).collect();
        let bytes = Batch { entries }.encode_to_vec();
        let length = u32::try_from(bytes.len()).ok().filter(|length| u64::from(*length) <= BATCH_BYTES_MAX);
        let length = length.ok_or(ErrorKind::FileTooLarge)?;
        let open = match self.open.as_mut() {
            Some(open) => open,
            None => self.open.insert(Open::new(&self.path)?),
        };
        let size = LENGTH_BYTES + u64::from(length);
        if open.end + size > self.bytes_max {
            return Err(io::Error::new(ErrorKind::QuotaExceeded, "it is full (`spill_size`)"));
        }
        let written = open.file.write_all_at(&length.to_le_bytes(), open.end);
        if let Err(error) = written.and_then(|()| open.file.write_all_at(&bytes, open.end + LENGTH_BYTES)) {
            let _torn_end_is_cut_off_later = open.file.set_len(open.end);
            return Err(error);
        }
        open.end += size;
        Ok(())
    }

    fn front(&self) -> io::Result<Option<Vec<Arc<Record>>>> {
        let Some(open) = self.open.as_ref().filter(|open| open.start < open.end) else { return Ok(None) };
        let length = open.length_at(open.start)?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        open.file.read_exact_at(&mut bytes, open.start + LENGTH_BYTES)?;
        let batch = Batch::decode(Bytes::from(bytes)).map_err(io::Error::other)?;
        Ok(Some(batch.entries.into_iter().map(|entry| Arc::new(entry.into())).collect()))
    }

    /// When that was the last, the file goes.
    fn pop(&mut self) -> io::Result<()> {
        let Some(open) = self.open.as_mut() else { return Ok(()) };
        open.start += LENGTH_BYTES + open.length_at(open.start)?;
        if open.start < open.end {
            return open.file.write_all_at(&open.start.to_le_bytes(), MAGIC.len() as u64);
        }
        self.give_up()
    }

    fn give_up(&mut self) -> io::Result<()> {
        self.open = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            fs::create_dir_all(directory)?;
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_locked| io::Error::new(ErrorKind::ResourceBusy, "another instance uses it"))?;
        let length = file.metadata()?.len();
        if length < HEAD_BYTES {
            file.set_len(0)?;
            file.write_all_at(MAGIC, 0)?;
            file.write_all_at(&HEAD_BYTES.to_le_bytes(), MAGIC.len() as u64)?;
            return Ok(Self { file, start: HEAD_BYTES, end: HEAD_BYTES });
        }
        let mut magic = [0; 8];
        file.read_exact_at(&mut magic, 0)?;
        if magic != *MAGIC {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "it is something else"));
        }
        let mut start = [0; 8];
        file.read_exact_at(&mut start, MAGIC.len() as u64)?;
        let start = u64::from_le_bytes(start).clamp(HEAD_BYTES, length);
        let mut open = Self { file, start, end: start };
        // As far as there are whole batches.
        while let Ok(size) = open.length_at(open.end)
            && open.end + LENGTH_BYTES + size <= length
        {
            open.end += LENGTH_BYTES + size;
        }
        open.file.set_len(open.end)?;
        Ok(open)
    }

    fn length_at(&self, at: u64) -> io::Result<u64> {
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, at)?;
        let length = u64::from(u32::from_le_bytes(length));
        // No batch is empty: zeros are what a crash of the host leaves of what was never written.
        if length == 0 || length > BATCH_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(length)
    }
}

#[derive(Clone, PartialEq, Message)]
struct Batch {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
}

/// A record as it lies on the disk.
#[derive(Clone, PartialEq, Message)]
struct Entry {
    /// Place and incarnation; both or none.
    #[prost(uint32, optional, tag = "1")]
    worker: Option<u32>,
    #[prost(uint32, tag = "2")]
    incarnation: u32,
    #[prost(uint32, tag = "3")]
    pid: u32,
    #[prost(uint32, tag = "4")]
    stream: u32,
    #[prost(uint32, tag = "5")]
    level: u32,
    #[prost(fixed64, tag = "6")]
    at: u64,
    #[prost(uint32, tag = "7")]
    shape: u32,
    #[prost(bytes = "bytes", tag = "8")]
    line: Bytes,
    #[prost(bytes = "bytes", optional, tag = "9")]
    request: Option<Bytes>,
    #[prost(bytes = "vec", optional, tag = "10")]
    trace: Option<Vec<u8>>,
    #[prost(uint32, tag = "11")]
    weight: u32,
}

const STREAMS: [Stream; 4] = [Stream::Stdout, Stream::Stderr, Stream::Gateway, Stream::Plimsoll];
const SHAPES: [Shape; 3] = [Shape::Plain, Shape::Json, Shape::Logfmt];

/// By its place; what this build does not know is the first.
fn pick<T: Copy>(all: &[T], place: u32, first: T) -> T {
    usize::try_from(place).ok().and_then(|place| all.get(place)).copied().unwrap_or(first)
}

fn place<T: PartialEq>(all: &[T], one: &T) -> u32 {
    all.iter().position(|other| other == one).and_then(|place| u32::try_from(place).ok()).unwrap_or(0)
}

impl From<&Record> for Entry {
    fn from(record: &Record) -> Self {
        Self {
            worker: record.worker.map(|worker| u32::from(worker.index)),
            incarnation: record.worker.map_or(0, |worker| worker.incarnation),
            pid: record.pid,
            stream: place(&STREAMS, &record.stream),
            level: place(&Level::ALL, &record.level),
            at: record.at,
            shape: place(&SHAPES, &record.shape),
            line: record.line.clone(),
            request: record.request().map(Bytes::copy_from_slice),
            trace: record.trace.map(|trace| trace.to_vec()),
            weight: record.weight,
        }
    }
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        let index = entry.worker.and_then(|index| u16::try_from(index).ok());
        Self {
            worker: index.map(|index| WorkerId { index, incarnation: entry.incarnation }),
            pid: entry.pid,
            stream: pick(&STREAMS, entry.stream, Stream::Stdout),
            level: pick(&Level::ALL, entry.level, Level::Info),
            at: entry.at,
            shape: pick(&SHAPES, entry.shape, Shape::Plain),
            line: entry.line,
            of_request: entry.request.map(RequestId::Apart),
            trace: entry.trace.and_then(|trace| trace.try_into().ok()),
            weight: entry.weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::logs::sinks::tests::record;

    fn spill(path: &Path, bytes_max: u64) -> Spill {
        Spill::new(&config::Spill { path: path.to_owned(), bytes_max })
    }

    fn lines(batch: Option<Vec<Arc<Record>>>) -> Vec<String> {
        let lines =
            batch.into_iter().flatten().map(|record| String::from_utf8_lossy(&record.line).into_owned());
        lines.collect()
    }

    #[test]
    fn batches_come_back_in_order_also_to_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/spill");
        let mut first = spill(&path, 1 << 20);
        first.look().unwrap();
        assert!(!path.exists() && first.front().unwrap().is_none(), "made when it is needed");
        let one = Record {
            trace: Some([7; 16]),
            of_request: Some(RequestId::Apart(Bytes::from_static(b"r1"))),
            shape: Shape::Json,
            ..Record::clone(&record(Level::Error, &b"\xff\n"[..]))
        };
        first.push(&[Arc::new(one.clone()), record(Level::Debug, "two")]).unwrap();
        first.push(&[record(Level::Info, "three")]).unwrap();
        let batch = first.front().unwrap().unwrap();
        assert_eq!(format!("{:?}", batch[0]), format!("{one:?}"));
        assert!(spill(&path, 1 << 20).look().unwrap_err().to_string().contains("another instance"));
        first.pop().unwrap();
        drop(first);
        let mut next = spill(&path, 1 << 20);
        next.look().unwrap();
        assert_eq!(lines(next.front().unwrap()), ["three"]);
        next.push(&[record(Level::Info, "four")]).unwrap();
        next.pop().unwrap();
        assert_eq!(lines(next.front().unwrap()), ["four"]);
        next.pop().unwrap();
        assert!(next.bytes() == 0 && !path.exists(), "emptied when all has been sent");
    }

    #[test]
    fn a_torn_end_is_cut_off_and_what_is_no_spill_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spill");
        let mut torn = spill(&path, 1 << 20);
        torn.push(&[record(Level::Info, "whole")]).unwrap();
        torn.push(&[record(Level::Info, "torn")]).unwrap();
        drop(torn);
        let length = fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
        let mut next = spill(&path, 1 << 20);
        next.look().unwrap();
        assert_eq!(lines(next.front().unwrap()), ["whole"]);
        next.pop().unwrap();
        assert!(next.front().unwrap().is_none());

        next.push(&[record(Level::Info, "whole")]).unwrap();
        drop(next);
        let length = fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(length + 4096).unwrap();
        let mut next = spill(&path, 1 << 20);
        next.look().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), length, "zeros are no batches");
        assert_eq!(lines(next.front().unwrap()), ["whole"]);
        next.pop().unwrap();
        assert!(next.bytes() == 0 && next.front().unwrap().is_none());
        fs::write(&path, "the diary of somebody else").unwrap();
        assert!(spill(&path, 1 << 20).look().unwrap_err().to_string().contains("something else"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "the diary of somebody else");
    }

    #[test]
    fn a_full_one_takes_no_more_and_stays_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spill");
        let mut full = spill(&path, 300);
        full.push(&[record(Level::Info, vec![b'x'; 100])]).unwrap();
        let error = full.push(&[record(Level::Info, vec![b'y'; 200])]).unwrap_err();
        assert!(error.to_string().contains("full"), "{error}");
        full.push(&[record(Level::Info, "small")]).unwrap();
        full.pop().unwrap();
        assert_eq!(lines(full.front().unwrap()), ["small"]);
    }
}
