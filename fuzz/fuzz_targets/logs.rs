//! Log lines: no panic, the same lines however the bytes are cut, and no byte of them lost.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use plimsoll::concerns::logs::record::Stream;
use plimsoll::concerns::logs::{Joiner, Splitter, understand};

const LINE_MAX: usize = 1000;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (left, right) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let whole = split(&[bytes]);
    assert_eq!(split(&[left, right]), whole);
    let mut joiner = Joiner::new(LINE_MAX);
    let mut joined = Vec::new();
    for line in &whole {
        if let Err(line) = joiner.extend(line.clone()) {
            let understood = understand(&line, Stream::Stderr);
            assert!(line.get(understood.message.clone()).is_some());
            joined.extend(joiner.flush());
            joined.extend(joiner.begin(line, understood));
        }
    }
    joined.extend(joiner.flush());
    let lines: Vec<&[u8]> = joined.iter().map(|each| &each.line[..]).collect();
    assert_eq!(lines.join(&b'\n'), whole.join(&b'\n'));
});

fn split(chunks: &[&[u8]]) -> Vec<Bytes> {
    let mut splitter = Splitter::new(LINE_MAX);
    let mut lines = Vec::new();
    for chunk in chunks {
        splitter.feed(&Bytes::copy_from_slice(chunk), |line| lines.push(line));
    }
    lines.extend(splitter.end());
    lines
}
