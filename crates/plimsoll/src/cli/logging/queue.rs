//! Lines on their way to a stream whose reader may be slow, stuck or gone.
//!
//! Whoever logs appends to a bounded queue and goes on; one thread writes. When the queue is full the oldest line
//! gives way: the newest ones say why the program is in the state it is in, and the very last one must come out.
//! How many are missing is said in one line at the place where they are missing.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// About what one incident prints; at 200 bytes a line, 200 KB.
pub(super) const LINES_MAX: usize = 1000;
const STACK_BYTES: usize = 128 * 1024;

/// The queue, as those see it who put lines in.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write, or nothing will come any more.
    filled: Condvar,
    /// Everything was written that will be.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// Lines that gave way, and stood before the first of `lines`.
    lost: u64,
    is_closed: bool,
    is_written: bool,
}

/// What the writer does next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Write { lost: u64, line: Vec<u8> },
    End,
}

impl Queue {
    /// Starts the thread, which passes each line to `write` in one piece.
    ///
    /// # Errors
    /// The thread could not be made.
    pub(super) fn start(write: impl FnMut(&[u8]) + Send + 'static) -> io::Result<Self> {
        let queue = Self::default();
        let own = queue.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || own.write_all(write))?;
        Ok(queue)
    }

    /// Never waits for the reader of the stream.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.lines.len() >= LINES_MAX {
            state.lines.pop_front();
            state.lost += 1;
        }
        state.lines.push_back(line.to_vec());
        drop(state);
        self.0.filled.notify_one();
    }

    /// Waits until everything is written, but not longer than `within`: what a stuck reader has not taken by then
    /// is lost with the process.
    pub(super) fn close(&self, within: Duration) {
        let mut state = self.state();
        state.is_closed = true;
        self.0.filled.notify_one();
        let waited = self.0.emptied.wait_timeout_while(state, within, |state| !state.is_written);
        drop(waited);
    }

    fn write_all(&self, mut write: impl FnMut(&[u8])) {
        while let Next::Write { lost, line } = self.next() {
            if lost > 0 {
                write(lost_line(lost).as_bytes());
            }
            write(&line);
        }
        self.state().is_written = true;
        self.0.emptied.notify_all();
    }

    fn next(&self) -> Next {
        let is_idle = |state: &mut State| state.lines.is_empty() && !state.is_closed;
        let waited = self.0.filled.wait_while(self.state(), is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        match state.lines.pop_front() {
            Some(line) => Next::Write { lost: std::mem::take(&mut state.lost), line },
            None => Next::End,
        }
    }

    /// A thread that panicked here has left whole lines behind: there is nothing to repair.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost_line(lost: u64) -> String {
    format!("plimsoll: warn: {lost} lines of this log are missing here: stderr was not read\n")
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};

    use rustix::io::Errno;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    /// A pipe without room for a single byte, and how many bytes it holds.
    fn full_pipe() -> (File, File, usize) {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let mut held = 0;
        for piece in [&[0; 4096][..], &[0]] {
            loop {
                match rustix::io::write(&writer, piece) {
                    Ok(written) => held += written,
                    Err(Errno::AGAIN) => break,
                    Err(error) => panic!("fill a pipe: {error}"),
                }
            }
        }
        for end in [&reader, &writer] {
            rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::empty()).unwrap();
        }
        (reader.into(), writer.into(), held)
    }

    #[test]
    fn a_reader_that_is_stuck_stops_nobody_and_what_is_lost_is_counted() {
        const LINES: usize = LINES_MAX + 500;
        let (mut reader, mut writer, held) = full_pipe();
        let queue = Queue::start(move |line| writer.write_all(line).unwrap()).unwrap();
        for number in 0..LINES {
            queue.push(format!("line {number}\n").as_bytes());
        }
        // With the reader stuck, the end is not held up for longer than it is allowed to be.
        queue.close(Duration::from_millis(1));
        let reading = thread::spawn(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).unwrap();
            String::from_utf8(text.split_off(held)).unwrap()
        });
        queue.close(Duration::MAX);
        drop(queue);
        let text = reading.join().unwrap();
        let (notes, lines): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains("missing"));
        // Two gaps, if the writer took its first line while lines were still being lost.
        let lost = |note: &&str| note.split(' ').nth(2).unwrap().parse::<usize>().unwrap();
        assert_eq!(notes.iter().map(lost).sum::<usize>() + lines.len(), LINES, "{notes:?}");
        assert_eq!(*lines.last().unwrap(), format!("line {}", LINES - 1));
    }

    #[test]
    fn everything_comes_out_in_order_before_the_end() {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let queue = Queue::start(move |line| writer.write_all(line).unwrap()).unwrap();
        for line in ["one\n", "two\n", "drained\n"] {
            queue.push(line.as_bytes());
        }
        queue.close(Duration::MAX);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\ndrained\n");
    }
}
