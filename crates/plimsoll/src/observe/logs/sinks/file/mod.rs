//! The sink that is a file: appended to, set aside by size or time, and never synced to the disk by us.
//!
//! Whoever moves or removes the file (logrotate, a person) is noticed within a second, without a signal: then it is
//! made anew. A batch is written whole or not at all: where the disk is full, the torn end is taken away again and
//! the batch waits. Others may write to the file, or cut it (logrotate's `copytruncate`): how long it is, the file says. A
//! pipe or a device has no length, and is only written to.

mod old;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::format::Format;
use crate::concerns::logs::record::Record;
use crate::config::FileSink;
use crate::observe::ship::queue::Limits;
use crate::observe::ship::until::Until;
use crate::observe::ship::{Outlet, Trouble};
use old::Old;

const WRITE_BYTES: usize = 256 * 1024;
/// How often it is looked whether the file is still the one of that name.
const LOOK: Duration = Duration::from_secs(1);
/// Logs hold what is not for everyone.
const MODE: u32 = 0o640;

pub(super) struct ToFile {
    settings: FileSink,
    format: Format,
    open: Option<Open>,
    old: Old,
    text: Vec<u8>,
}

struct Open {
    file: File,
    /// Neither a pipe nor a device, nor what our own streams are redirected to: it has a length, and may be renamed.
    is_regular: bool,
    /// The number of the period in which it was begun.
    period: u64,
    looked: Instant,
}

impl ToFile {
    /// # Errors
    /// The thread that packs old files could not be made.
    pub(super) fn start(settings: &FileSink) -> io::Result<Self> {
        Ok(Self {
            settings: settings.clone(),
            format: Format::of(settings.format),
            open: None,
            old: Old::start(settings)?,
            text: Vec::new(),
        })
    }

    fn append(&mut self) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(mut open) => match open.is_current(&self.settings.path) {
                true => open,
                false => Open::new(&self.settings)?,
            },
            None => Open::new(&self.settings)?,
        };
        let mut length = open.length()?;
        if length.is_some_and(|length| self.is_due(&open, length)) {
            drop(open);
            self.old.set_aside(&self.settings.path)?;
            open = Open::new(&self.settings)?;
            length = open.length()?;
        }
        if let Err(error) = open.file.write_all(&self.text) {
            if let Some(length) = length {
                open.cut_back(length);
            }
            return Err(error);
        }
        self.open = Some(open);
        Ok(())
    }

    fn is_due(&self, open: &Open, length: u64) -> bool {
        let grows_too_large = length + self.text.len() as u64 > self.settings.rotate_bytes;
        length > 0 && (grows_too_large || period(&self.settings, SystemTime::now()) != open.period)
    }
}

impl Outlet<Record> for ToFile {
    fn deliver(&mut self, batch: &[Arc<Record>], _until: &Until) -> Result<(), Trouble> {
        self.text.clear();
        batch.iter().for_each(|record| self.format.write(record, &mut self.text));
        self.append().map_err(|error| {
            let path = self.settings.path.display();
            Trouble::later(format!("{path} cannot be written: {error}"), hint(&error))
        })
    }

    fn limits(&self) -> Limits {
        Limits { bytes: WRITE_BYTES, within: Duration::ZERO }
    }
}

impl Open {
    fn new(settings: &FileSink) -> io::Result<Self> {
        let directory = settings.path.parent();
        if let Some(directory) = directory.filter(|directory| !directory.as_os_str().is_empty()) {
            fs::create_dir_all(directory)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(MODE).open(&settings.path)?;
        let metadata = file.metadata()?;
        let begun = if metadata.len() == 0 { SystemTime::now() } else { metadata.modified()? };
        // `/dev/stdout` may be a link to a regular file, and is still not ours to rename.
        let is_stream = settings.path.starts_with("/dev") && !settings.path.starts_with("/dev/shm");
        let is_regular = metadata.is_file() && !is_stream;
        Ok(Self { file, is_regular, period: period(settings, begun), looked: Instant::now() })
    }

    /// `None`: it has none.
    fn length(&self) -> io::Result<Option<u64>> {
        if !self.is_regular {
            return Ok(None);
        }
        self.file.metadata().map(|metadata| Some(metadata.len()))
    }

    /// Half a line must not stay before the whole one that comes when there is room again. A file that somebody has
    /// cut meanwhile must not be made longer: there would be a hole.
    fn cut_back(&self, length: u64) {
        if self.file.metadata().is_ok_and(|metadata| metadata.len() > length) {
            let _torn_end_stays = self.file.set_len(length);
        }
    }

    /// Is it still the file of that name?
    fn is_current(&mut self, path: &Path) -> bool {
        if self.looked.elapsed() < LOOK {
            return true;
        }
        self.looked = Instant::now();
        let identity = |metadata: io::Result<fs::Metadata>| metadata.map(|it| (it.dev(), it.ino())).ok();
        let ours = identity(self.file.metadata());
        ours.is_some() && ours == identity(fs::metadata(path))
    }
}

/// Files of two periods are not one.
fn period(settings: &FileSink, at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    settings.rotate_every.map_or(0, |every| since.as_secs() / every.as_secs().max(1))
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => "make the directory writable for the user that runs plimsoll",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "make room, or set `rotate_size` and `keep` lower"
        }
        ErrorKind::ReadOnlyFilesystem => "mount it writable, or set `path` to a place that is",
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "`path` is the file itself, in a directory that exists or can be made"
        }
        _ => "see that `path` can be written",
    }
}
