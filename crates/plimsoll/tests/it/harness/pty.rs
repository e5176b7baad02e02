//! A terminal with a program in it.
//!
//! Nothing is unwrapped here, and nothing waited for: the benchmark of the dashboard uses this file as well.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::num::NonZero;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A program that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Pty {
    child: Child,
    master: File,
    output: Arc<Mutex<Output>>,
}

/// What it has written.
struct Output {
    seen: Vec<u8>,
    /// What a person sees of it.
    screen: vt100::Parser,
}

impl fmt::Debug for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.screen.screen().contents())
    }
}

impl Pty {
    pub(crate) fn start(command: &mut Command, columns: u16, rows: u16) -> io::Result<Self> {
        let master = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?);
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave =
            OpenOptions::new().read(true).write(true).open(name.to_str().map_err(io::Error::other)?)?;
        tcsetwinsize(&master, size(columns, rows))?;
        let child = command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave).spawn()?;
        let screen = vt100::Parser::new(cells(rows), cells(columns), 0);
        let output = Arc::new(Mutex::new(Output { seen: Vec::new(), screen }));
        let (mut reader, kept) = (master.try_clone()?, Arc::clone(&output));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Fails when the program has gone.
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                let Some(new) = bytes.get(..length) else { return };
                let mut output = lock(&kept);
                output.seen.extend_from_slice(new);
                output.screen.process(new);
            }
        });
        Ok(Self { child, master, output })
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        lock(&self.output).screen.screen_mut().set_size(cells(rows), cells(columns));
        Ok(tcsetwinsize(&self.master, size(columns, rows))?)
    }

    /// The lines that stand there now.
    pub(crate) fn screen(&self) -> Vec<String> {
        let output = lock(&self.output);
        let screen = output.screen.screen();
        screen.rows(0, screen.size().1.get()).map(|line| line.trim_end().to_owned()).collect()
    }

    pub(crate) fn press(&mut self, keys: &str) -> io::Result<()> {
        self.master.write_all(keys.as_bytes())
    }

    /// All that was written to it since it was forgotten.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&lock(&self.output).seen).into_owned()
    }

    pub(crate) fn forget_seen(&self) {
        lock(&self.output).seen.clear();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap_or(NonZero::<u16>::MIN)
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}
