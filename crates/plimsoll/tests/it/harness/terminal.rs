//! A terminal that a test looks at: what cannot be is a failed test.

use std::process::Command;

use super::pty::Pty;
use super::wait::until;

#[derive(Debug)]
pub(crate) struct Terminal(Pty);

impl Terminal {
    pub(crate) fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        Self(Pty::start(command, columns, rows).unwrap())
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.0.resize(columns, rows).unwrap();
    }

    /// The lines that stand there now.
    pub(crate) fn screen(&self) -> Vec<String> {
        self.0.screen()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.0.press(keys).unwrap();
    }

    /// All that was written to it since it was waited for something.
    pub(crate) fn seen(&self) -> String {
        self.0.seen()
    }

    /// Waits for a text, then forgets what was written so far.
    pub(crate) fn wait_for(&self, text: &str) {
        until(&format!("the terminal shows {text:?}"), || self.seen().contains(text).then_some(()));
        self.0.forget_seen();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        until("the program has ended", || self.0.ended().unwrap()).code()
    }
}
