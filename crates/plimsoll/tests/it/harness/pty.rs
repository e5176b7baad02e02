//! A terminal with a program in it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::wait::until;

#[derive(Debug)]
pub(crate) struct Pty {
    child: Child,
    master: File,
    seen: Arc<Mutex<Vec<u8>>>,
    screen: Arc<Mutex<Screen>>,
}

/// What a person sees.
struct Screen(vt100::Parser);

impl fmt::Debug for Screen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.screen().contents())
    }
}

impl Pty {
    pub(crate) fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        let master = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        resize(&master, columns, rows);
        let child = command
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        let seen = Arc::<Mutex<Vec<u8>>>::default();
        let screen = Arc::new(Mutex::new(Screen(vt100::Parser::new(size(rows), size(columns), 0))));
        let (mut reader, kept, shown) = (master.try_clone().unwrap(), Arc::clone(&seen), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Fails when the program has gone.
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                kept.lock().unwrap().extend_from_slice(&bytes[..length]);
                shown.lock().unwrap().0.process(&bytes[..length]);
            }
        });
        Self { child, master, seen, screen }
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.screen.lock().unwrap().0.screen_mut().set_size(size(rows), size(columns));
        resize(&self.master, columns, rows);
    }

    /// The lines that stand there now.
    pub(crate) fn screen(&self) -> Vec<String> {
        let screen = self.screen.lock().unwrap();
        let (_, columns) = screen.0.screen().size();
        screen.0.screen().rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// All that was ever written to it.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits for a text, then forgets what was written so far.
    pub(crate) fn wait_for(&self, text: &str) {
        until(&format!("the terminal shows {text:?}"), || self.seen().contains(text).then_some(()));
        self.seen.lock().unwrap().clear();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        until("the program has ended", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap()
}

fn resize(master: &File, columns: u16, rows: u16) {
    let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master, size).unwrap();
}
