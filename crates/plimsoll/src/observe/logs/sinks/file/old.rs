//! Files that were set aside: packed and, beyond so many, removed, on a thread of their own at the lowest priority.
//!
//! `app.log` becomes `app.log.20261127T182233.123Z`, and then `….gz` or `….zst`. What an earlier run left unpacked is packed as
//! well. The sink never waits for any of it.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::config::{Compress, FileSink};
use crate::observe::logs::sinks::spawn;
use crate::observe::units::Utc;

const GZIP: &str = ".gz";
const ZSTD: &str = ".zst";
const PACKED: [&str; 2] = [GZIP, ZSTD];
const UNFINISHED: &str = ".part";
/// A frame of zstd each: the memory that packing takes is bounded, and whoever unpacks reads them as one.
const FRAME_BYTES: u64 = 1024 * 1024;
/// `.20261127T182233.123Z`
const STAMP_LENGTH: usize = 21;
/// Until it is packed, and may be read by whoever might before.
const MODE: u32 = 0o600;
/// Names tell milliseconds.
const STEP: u64 = 1_000_000;

/// Tells the thread that there is something to do.
pub(super) struct Old {
    sender: SyncSender<()>,
    /// The moment that the last name tells, in nanoseconds since the epoch.
    last: Cell<u64>,
}

impl Old {
    /// # Errors
    /// The thread could not be made.
    pub(super) fn start(settings: &FileSink) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(1);
        let settings = settings.clone();
        spawn("logs-old", move || run(&settings, &receiver))?;
        let old = Self { sender, last: Cell::new(0) };
        old.tell();
        Ok(old)
    }

    /// Gives the file another name, which says when that was.
    pub(super) fn set_aside(&self, path: &Path) -> io::Result<()> {
        // Never before the last one, whose name may be free again: the names are the order in which files go.
        let (name, at) = free_name(path, crate::observe::now().max(self.last.get() + STEP));
        self.last.set(at);
        match fs::rename(path, name) {
            // Somebody else has moved it meanwhile: that is as good.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        // When the thread has been told already and has not looked yet, it will see this as well.
        let _told_already = self.sender.try_send(());
    }
}

/// The first moment from `at` on that names no file yet.
fn free_name(path: &Path, mut at: u64) -> (PathBuf, u64) {
    loop {
        let name = with_end(path, &format!(".{}", Utc::of(at).compact()));
        if !name.exists() && PACKED.iter().all(|end| !with_end(&name, end).exists()) {
            return (name, at);
        }
        at += STEP;
    }
}

fn run(settings: &FileSink, told: &Receiver<()>) {
    crate::sys::process::yield_to_others();
    while told.recv().is_ok() {
        if let Err(error) = tidy(settings) {
            tracing::warn!(
                "old files of {} cannot be tidied: {error}; hint: they stay as they are; see that the directory \
                 is writable and has room",
                settings.path.display()
            );
        }
    }
}

fn tidy(settings: &FileSink) -> io::Result<()> {
    let mut old = find(&settings.path)?;
    // The name is the time: the oldest come first.
    old.sort();
    let excess = old.len().saturating_sub(settings.keep);
    for path in old.drain(..excess) {
        remove(&path)?;
    }
    old.iter().filter(|path| !is_packed(path)).try_for_each(|path| match settings.compress {
        Compress::Off => Ok(()),
        Compress::Gzip => pack(path, GZIP, gzip),
        Compress::Zstd => pack(path, ZSTD, zstd),
    })
}

/// The files that were once set aside, packed or not. What is half packed is thrown away.
fn find(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let entries = match fs::read_dir(directory) {
        // It has not been made yet.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut old = Vec::new();
    for entry in entries {
        let found = entry?.file_name();
        let rest = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        let Some((stamp, end)) = rest.and_then(|rest| rest.split_at_checked(STAMP_LENGTH)) else { continue };
        let is_stamp = stamp.starts_with(b".") && stamp.ends_with(b"Z") && stamp.get(9) == Some(&b'T');
        match end {
            b"" | b".gz" | b".zst" if is_stamp => old.push(directory.join(found)),
            b".gz.part" | b".zst.part" if is_stamp => remove(&directory.join(found))?,
            _ => {}
        }
    }
    Ok(old)
}

fn pack(
    path: &Path,
    end: &str,
    write: fn(BufReader<File>, BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let packed = with_end(path, end);
    let unfinished = with_end(&packed, UNFINISHED);
    let write = || {
        let source = File::open(path)?;
        let target = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&unfinished)?;
        write(BufReader::new(source.try_clone()?), BufWriter::new(target.try_clone()?))?;
        share_alike(&source, &target)?;
        fs::rename(&unfinished, &packed)
    };
    if let Err(error) = write() {
        let _was_not_made = fs::remove_file(&unfinished);
        return Err(error);
    }
    remove(path)
}

/// Whoever may read the one may read the other, and nobody else.
fn share_alike(source: &File, target: &File) -> io::Result<()> {
    let metadata = source.metadata()?;
    let _not_one_of_our_groups = fchown(target, None, Some(metadata.gid()));
    target.set_permissions(metadata.permissions())
}

fn gzip(mut source: impl Read, target: impl Write) -> io::Result<()> {
    let mut encoder = GzEncoder::new(target, Compression::fast());
    io::copy(&mut source, &mut encoder)?;
    encoder.finish()?.flush()
}

fn zstd(mut source: impl Read, mut target: impl Write) -> io::Result<()> {
    let mut frame = Vec::new();
    while source.by_ref().take(FRAME_BYTES).read_to_end(&mut frame)? > 0 {
        target.write_all(&compress_to_vec(frame.as_slice(), CompressionLevel::Fastest))?;
        frame.clear();
    }
    target.flush()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_packed(path: &Path) -> bool {
    let name = path.as_os_str().as_encoded_bytes();
    PACKED.iter().any(|end| name.ends_with(end.as_bytes()))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
