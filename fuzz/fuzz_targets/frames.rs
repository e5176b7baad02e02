//! Frames of the agent's channel: a hostile worker can write anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_wire::frame::Frame;
use plimsoll_wire::message::{FromAgent, ToAgent};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some((frame, used))) = Frame::read(bytes) else { return };
    assert!(used <= bytes.len());
    if let Ok(message) = FromAgent::read(&frame) {
        let written = message.write();
        let (again, _) = Frame::read(&written).unwrap().unwrap();
        assert_eq!(FromAgent::read(&again).unwrap(), message);
    }
    let _ = ToAgent::read(&frame);
});
