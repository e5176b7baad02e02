//! On a machine that others measure on as well: one at a time.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};

/// Others are let in after so long; a turn that has begun is not broken off.
const HELD_MAX: Duration = Duration::from_secs(300);

/// The lock of a file (as `flock FILE COMMAND` takes it), held for some turns and then offered to others.
#[derive(Default)]
pub(super) struct Turnstile {
    path: Option<PathBuf>,
    held: Option<(File, Instant)>,
}

impl Turnstile {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, held: None }
    }

    /// Before each turn; waits where somebody else is inside.
    pub(super) fn enter(&mut self) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if self.held.as_ref().is_some_and(|(_, since)| since.elapsed() < HELD_MAX) {
            return Ok(());
        }
        self.held = None;
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        flock(&file, FlockOperation::LockExclusive).context("cannot lock")?;
        self.held = Some((file, Instant::now()));
        Ok(())
    }
}
