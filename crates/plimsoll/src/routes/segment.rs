//! One segment of a path: a word that the app's author wrote, or a value of one request?

/// No word of a route is longer.
const WORD_MAX: usize = 48;
/// From this length on a segment with digits in it is a token.
const TOKEN_MIN: usize = 20;
/// More digits than anybody puts into a word.
const DIGITS_MIN: usize = 4;
/// The shortest hash that is told from a word: a git commit's short name has 7, but so have words with a number.
const HEX_MIN: usize = 8;

/// The path of a request target: without query, and without scheme and host where a client sends them.
pub(super) fn path(target: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let path = target.get(..end).unwrap_or_default();
    if path.starts_with(b"/") {
        return path;
    }
    let Some(at) = memchr::memmem::find(path, b"://") else { return path };
    let rest = path.get(at + 3..).unwrap_or_default();
    memchr::memchr(b'/', rest).and_then(|at| rest.get(at..)).unwrap_or_default()
}

/// Segments of a path; empty ones say nothing.
pub(super) fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty())
}

/// Whether this is a value by its looks alone: a number, a UUID, a hash, a token, or bytes that nobody puts into a
/// route.
pub(super) fn is_value(segment: &[u8]) -> bool {
    if segment.len() > WORD_MAX || !segment.iter().all(|byte| is_of_words(*byte)) {
        return true;
    }
    let digits = segment.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return false;
    }
    let length = segment.len();
    let is_hex = || segment.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    digits == length
        || length >= TOKEN_MIN
        || (length >= HEX_MIN && is_hex())
        || digits >= DIGITS_MIN
        || (length >= 4 && digits * 2 >= length)
}

fn is_of_words(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'$' | b':' | b'!' | b'*')
}
