//! The level of a line for people: the word it begins with, behind times, numbers and names in brackets.
//!
//! `2026-01-02 10:00:00 ERROR x`, `[Nest] 7 - 01/02/2026, 10:00:00 AM WARN [App] x`, `info: x`, `TypeError: x`,
//! `(node:7) DeprecationWarning: x`. A level word further inside a sentence says nothing.

use super::level;
use crate::concerns::logs::record::Level;

/// A level that stands further to the right is not looked for.
const BYTES_MAX: usize = 120;

pub(super) fn level(line: &[u8]) -> Option<Level> {
    let head = line.get(..BYTES_MAX).unwrap_or(line);
    let mut words = head.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.find_map(judge).flatten()
}

/// `None`: the level may stand behind this word. `Some(None)`: the message has begun.
fn judge(word: &[u8]) -> Option<Option<Level>> {
    let bare = without_colour(word);
    let letters = trim(bare);
    if let Some(level) = level::of_word(letters).filter(|_| is_marked(bare, letters)) {
        return Some(Some(level));
    }
    let is_skipped = letters.is_empty()
        || bare.first() == Some(&b'[')
        || letters.iter().any(u8::is_ascii_digit)
        || matches!(letters, b"AM" | b"PM" | b"UTC" | b"GMT");
    if is_skipped { None } else { Some(of_name(bare)) }
}

/// `Log` and `http` begin sentences, `LOG`, `[log]` and `log:` do not.
fn is_marked(word: &[u8], letters: &[u8]) -> bool {
    let is_sure = !matches!(
        letters.to_ascii_lowercase().as_slice(),
        b"log" | b"http" | b"default" | b"fine" | b"notice"
    );
    is_sure || letters.len() < word.len() || letters.iter().all(u8::is_ascii_uppercase)
}

/// The name of a class: `TypeError:`, `DeprecationWarning:`.
fn of_name(word: &[u8]) -> Option<Level> {
    let name = word.strip_suffix(b":").unwrap_or(word);
    if name == b"Uncaught" || name.ends_with(b"Error") || name.ends_with(b"Exception") {
        return Some(Level::Error);
    }
    name.ends_with(b"Warning").then_some(Level::Warn)
}

fn trim(word: &[u8]) -> &[u8] {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric();
    let start = word.iter().position(is_letter).unwrap_or(word.len());
    let end = word.iter().rposition(is_letter).map_or(start, |last| last + 1);
    word.get(start..end).unwrap_or_default()
}

/// Without the escape sequences of a terminal around it.
fn without_colour(mut word: &[u8]) -> &[u8] {
    while let Some(after) = word.strip_prefix(b"\x1b[") {
        let end = after.iter().position(|byte| *byte == b'm').map_or(after.len(), |end| end + 1);
        word = after.get(end..).unwrap_or_default();
    }
    let end = memchr::memchr(0x1b, word).unwrap_or(word.len());
    word.get(..end).unwrap_or_default()
}
