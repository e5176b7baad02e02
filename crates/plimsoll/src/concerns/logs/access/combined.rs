//! The combined format of Apache and nginx, to the byte: there are programs that read it.
//!
//! `127.0.0.1 - - [27/Nov/2026:18:22:33 +0000] "GET /x HTTP/1.1" 200 12 "-" "curl/8"`

use super::head::Fields;
use super::{Entry, Places, push_number};

const FIELD_BYTES_MAX: usize = 2048;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

pub(super) fn write(entry: &Entry<'_>, asked: &Fields<'_>, text: &mut Vec<u8>) -> Places {
    text.extend_from_slice(entry.client.as_bytes());
    text.extend_from_slice(b" - - [");
    text.extend_from_slice(entry.second.as_bytes());
    text.extend_from_slice(b"] \"");
    let start = text.len();
    push_escaped(Some(asked.line).filter(|line| !line.is_empty()), text);
    let message = start..text.len();
    text.extend_from_slice(b"\" ");
    push_number(entry.status.into(), text);
    text.push(b' ');
    push_number(entry.bytes, text);
    text.extend_from_slice(b" \"");
    push_escaped(asked.referer, text);
    text.extend_from_slice(b"\" \"");
    push_escaped(asked.user_agent, text);
    text.push(b'"');
    Places { message, request: None }
}

/// As nginx escapes: whatever would end the string or the line, or is not ASCII.
fn push_escaped(value: Option<&[u8]>, text: &mut Vec<u8>) {
    let value = value.unwrap_or(b"-");
    for byte in value.get(..FIELD_BYTES_MAX).unwrap_or(value) {
        match byte {
            b'"' | b'\\' | 0..0x20 | 0x7f.. => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                text.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
            }
            byte => text.push(*byte),
        }
    }
}
