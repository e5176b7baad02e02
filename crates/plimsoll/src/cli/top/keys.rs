//! What was pressed, from the bytes that a terminal sends for it.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

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

/// Waits for so long and gives what was pressed. An end of the input counts as Control-D.
pub(super) fn read(wait: Duration) -> io::Result<Vec<Key>> {
    let stdin = io::stdin();
    let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
    let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut ready, Some(&wait)) {
        Ok(0) | Err(Errno::INTR) => return Ok(Vec::new()),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let mut bytes = [0; 64];
    match rustix::io::read(&stdin, &mut bytes) {
        Ok(0) | Err(Errno::IO) => Ok(vec![Key::Control('d')]),
        Ok(length) => Ok(decode(bytes.get(..length).unwrap_or_default())),
        Err(Errno::INTR | Errno::AGAIN) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// What is not known is left out, as a whole: its last letter must not count as a key.
fn decode(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let (key, used) = match (first, after) {
            (0x1b, [b'[' | b'O', sequence @ ..]) => {
                let end = sequence
                    .iter()
                    .position(|byte| (0x40..=0x7e).contains(byte))
                    .map_or(sequence.len(), |at| at + 1);
                (named(sequence.get(..end).unwrap_or_default()), 2 + end)
            }
            (0x1b, []) => (Some(Key::Escape), 1),
            // Alt and a key.
            (0x1b, [_, ..]) => (None, 2),
            (b'\r' | b'\n', _) => (Some(Key::Enter), 1),
            (b'\t', _) => (Some(Key::Char('\t')), 1),
            (1..=26, _) => (Some(Key::Control(char::from(first + b'a' - 1))), 1),
            (0x20..=0x7e, _) => (Some(Key::Char(char::from(first))), 1),
            _ => (None, 1),
        };
        keys.extend(key);
        rest = rest.get(used..).unwrap_or_default();
    }
    keys
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
            assert_eq!(decode(bytes), keys, "{bytes:?}");
        }
    }
}
