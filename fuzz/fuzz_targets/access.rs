//! Lines of the access log: whatever a client sent and an app answered, a line is one line, of JSON where it says so,
//! and what it says of itself is in it.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use plimsoll::concerns::logs::access::{Entry, Format, Times};
use plimsoll::concerns::logs::record::{Level, Stream};
use plimsoll::concerns::logs::understand;

fuzz_target!(|input: (&[u8], &[u8], u16, u64, u64)| {
    let (head, answer, status, bytes, microseconds) = input;
    let time = Duration::from_micros(microseconds);
    let entry = Entry {
        second: "2026-11-27T18:22:33",
        milliseconds: status % 1000,
        level: Level::Error,
        head,
        answer,
        client: "10.0.0.7",
        method: "other",
        route: None,
        status,
        error: Some("cut"),
        bytes,
        times: Times { queue: time, claim: time, first_byte: Some(time), total: time },
        worker: Some(3),
        rescued: 1,
        retried: 1,
    };
    for format in [Format::Json, Format::Combined] {
        // Others have been written before it.
        let mut text = b"before".to_vec();
        let written = entry.write(format, &mut text);
        let own = text.get(6..).unwrap();
        let line = own.get(..written.length).unwrap();
        assert!(!line.iter().any(|byte| *byte < b' '), "{line:?}");
        assert!(line.get(written.message.clone()).is_some());
        let request = written.request.clone().map(|place| own.get(place).unwrap());
        if format == Format::Json {
            let object: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert_eq!(object["status"], status);
            assert_eq!(object.get("request_id").is_some(), request.is_some());
            let understood = understand(line, Stream::Gateway);
            assert_eq!(understood.level, Level::Error);
            assert_eq!(understood.request.map(|place| &line[place]), request);
            assert_eq!(understood.trace, written.trace);
        }
    }
});
