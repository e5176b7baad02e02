//! What was pressed, from the bytes that a terminal sends for it.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

const ESCAPE: u8 = 0x1b;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Escape,
    Enter,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Control and a letter.
    Control(char),
}

/// What follows of a sequence comes at once; the key of that name is followed by nothing.
const FOLLOWS: Duration = Duration::from_millis(50);
/// No key has a longer sequence.
const SEQUENCE_MAX: usize = 64;

/// The keys of a terminal, whose sequences may come in pieces.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The beginning of a sequence.
    begun: Vec<u8>,
}

impl Keys {
    /// Waits for so long and gives what was pressed. An end of the input counts as Control-D.
    pub(super) fn read(&mut self, wait: Duration) -> io::Result<Vec<Key>> {
        let stdin = io::stdin();
        let wait = if self.begun.is_empty() { wait } else { FOLLOWS };
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, Some(&wait)) {
            Ok(0) => return Ok(self.end()),
            Err(Errno::INTR) => return Ok(Vec::new()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 64];
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(0) | Err(Errno::IO) => Ok(vec![Key::Control('d')]),
            Ok(length) => Ok(self.take(bytes.get(..length).unwrap_or_default())),
            Err(Errno::INTR | Errno::AGAIN) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.begun.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut rest = self.begun.as_slice();
        while let Some((key, after)) = first(rest) {
            keys.extend(key);
            rest = after;
        }
        self.begun = if rest.len() > SEQUENCE_MAX { Vec::new() } else { rest.to_vec() };
        keys
    }

    /// Nothing follows: what has begun is whole, or no key.
    fn end(&mut self) -> Vec<Key> {
        match std::mem::take(&mut self.begun).as_slice() {
            [ESCAPE] => vec![Key::Escape],
            _ => Vec::new(),
        }
    }
}

/// The first key, and what comes after it. What is not known is left out, as a whole: its last letter must not count as a
/// key. `None`: nothing, or the beginning of a sequence.
fn first(bytes: &[u8]) -> Option<(Option<Key>, &[u8])> {
    let (&first, after) = bytes.split_first()?;
    let key = match (first, after) {
        (ESCAPE, [b'[' | b'O', sequence @ ..]) => {
            let end = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
            let (sequence, after) = sequence.split_at_checked(end + 1)?;
            return Some((named(sequence), after));
        }
        // Alt and a key.
        (ESCAPE, [_, after @ ..]) => return Some((None, after)),
        (ESCAPE, []) => return None,
        (b'\r' | b'\n', _) => Some(Key::Enter),
        (b'\t', _) => Some(Key::Char('\t')),
        (1..=26, _) => Some(Key::Control(char::from(first + b'a' - 1))),
        (0x20..=0x7e, _) => Some(Key::Char(char::from(first))),
        _ => None,
    };
    Some((key, after))
}

fn named(sequence: &[u8]) -> Option<Key> {
    Some(match sequence {
        b"A" => Key::Up,
        b"B" => Key::Down,
        b"H" | b"1~" | b"7~" => Key::Home,
        b"F" | b"4~" | b"8~" => Key::End,
        b"5~" => Key::PageUp,
        b"6~" => Key::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_terminals_are_keys() {
        for (bytes, keys) in [
            (&b"q"[..], vec![Key::Char('q')]),
            (b"\x1b", vec![Key::Escape]),
            (b"\x1b[A\x1bOB", vec![Key::Up, Key::Down]),
            (b"\x1b[5~j\x1b[1~", vec![Key::PageUp, Key::Char('j'), Key::Home]),
            (b"\x03\x0c\r", vec![Key::Control('c'), Key::Control('l'), Key::Enter]),
            // A mouse, a key of function, a paste in UTF-8: none of them is a `q`.
            (b"\x1b[15;2~\x1bq\xc3\xa4\x1b[Z", vec![]),
            (b"\x1b[", vec![]),
        ] {
            let mut terminal = Keys::default();
            let mut seen = terminal.take(bytes);
            seen.extend(terminal.end());
            assert_eq!(seen, keys, "{bytes:?}");
            assert_eq!(terminal.end(), [], "nothing is told twice");
        }
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        let bytes = b"\x1b[A\x1b[5~q\x1bOB";
        for size in 1..=bytes.len() {
            let mut terminal = Keys::default();
            let keys: Vec<Key> = bytes.chunks(size).flat_map(|piece| terminal.take(piece)).collect();
            assert_eq!(keys, [Key::Up, Key::PageUp, Key::Char('q'), Key::Down], "pieces of {size}");
            assert_eq!(terminal.end(), []);
        }
        let arrows = b"\x1b[B".repeat(22);
        let mut terminal = Keys::default();
        let keys: Vec<Key> = arrows.chunks(64).flat_map(|piece| terminal.take(piece)).collect();
        assert_eq!(keys, [Key::Down; 22]);
    }

    #[test]
    fn a_sequence_without_an_end_is_given_up() {
        let mut terminal = Keys::default();
        assert_eq!(terminal.take(b"\x1b["), []);
        for _ in 0..10 {
            terminal.take(b";;;;;;;;;;;;;;;;");
            assert!(terminal.begun.len() <= SEQUENCE_MAX);
        }
    }
}
