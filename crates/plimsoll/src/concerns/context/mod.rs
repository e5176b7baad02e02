//! `context`: which request is which, without the app's help, and what the app pays to know it.
//!
//! * [`id`]: ids of requests: which of the client's are proper, and how ours are made;
//! * [`parent`]: the place of a request in a trace, as W3C Trace Context writes it;
//! * [`sample`]: which traces that begin here are recorded whatever becomes of them;
//! * [`tail`]: which requests are recorded because of what became of them;
//! * [`tax`]: what promises cost because somebody follows them.
//!
//! Random numbers come from outside, as the time does.

pub mod id;
pub mod parent;
pub mod sample;
pub mod tail;
pub mod tax;

/// Appends `bytes` in lower-case hexadecimal.
pub(super) fn push_hex(bytes: &[u8], text: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0'));
        }
    }
}

/// Lower-case hexadecimal alone, as many digits as fill `bytes`.
fn read_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
