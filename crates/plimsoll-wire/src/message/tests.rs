//! Messages as they are written and read, and those that are none.

use super::*;

#[test]
fn every_message_reads_back_as_itself() {
    let listen = FromAgent::Listen {
        server: 3,
        kind: ServerKind::Tcp,
        host: "::1".into(),
        port: 3000,
        ipv6_only: true,
        backlog: 511,
        path: "/tmp/x/1.sock".into(),
    };
    let failed = FromAgent::Hello {
        version: 9,
        pid: 1,
        node: "v20.0.0".into(),
        addon: Err("ERR_DLOPEN_DISABLED".into()),
    };
    let began = FromAgent::ProfileBegan { id: 7, heap_bytes: 5_000_000_000 };
    let refused = FromAgent::Profiled { id: 7, result: Err("busy".into()) };
    let profiled = FromAgent::Profiled { id: 7, result: Ok(()) };
    let close = FromAgent::Close { server: 3 };
    let large = FromAgent::LargeBody { slot: 1023, word: u32::MAX, bytes: 5_000_000_000 };
    let route = FromAgent::Route { method: "GET".into(), path: "/a/1".into(), route: "/a/:b".into() };
    let hello = FromAgent::hello(4242, "v22.1.0");
    let one = memory::Allocated { method: "GET".into(), path: "/a".into(), bytes: u32::MAX };
    let weighed = FromAgent::Allocated(one);
    for message in [hello, failed, listen, close, began, refused, profiled, large, route, weighed] {
        let bytes = message.write();
        let (frame, _) = frame::Frame::read(&bytes).unwrap().unwrap();
        assert_eq!(FromAgent::read(&frame).unwrap(), message);
    }
    let bound = ToAgent::Bound { server: 3, address: "::".into(), port: 3000, family: "IPv6".into() };
    let refused = ToAgent::Refused { server: 3, code: "EACCES".into() };
    let path = "/tmp/x/profile-7".to_owned();
    let profile =
        ToAgent::Profile { id: 7, seconds: 10, interval_us: 1000, stall_ms: 100, path: path.clone() };
    let snapshot = ToAgent::HeapSnapshot { id: 8, heap_bytes_max: 5_000_000_000, path };
    for message in [bound, refused, profile, snapshot, ToAgent::StopProfile { id: 7 }] {
        let bytes = message.write();
        let (frame, _) = frame::Frame::read(&bytes).unwrap().unwrap();
        assert_eq!(ToAgent::read(&frame).unwrap(), message);
    }
}

#[test]
fn what_the_watchdog_says_reads_back_as_itself() {
    let running = (1023, u32::MAX);
    let stack = "    at work (/app/a b.js:7:9)".to_owned();
    let stalled = |running, stack, late| FromAgent::Stalled { stall: 9, at_ms: 104, running, stack, late };
    for message in [
        FromAgent::Watchdog { version: VERSION, pid: 42 },
        stalled(Some(running), stack, false),
        stalled(None, String::new(), true),
        FromAgent::Resumed { stall: 9, total_ms: 412, gc_ms: 3, cpu_ms: 400, delayed_ms: 7, answered: None },
        FromAgent::Resumed {
            stall: 9,
            total_ms: 412,
            gc_ms: 3,
            cpu_ms: 400,
            delayed_ms: 7,
            answered: Some(running),
        },
        FromAgent::Busy { slot: 0, word: 6, ms: 25 },
        FromAgent::Glimpsed { slot: 0, word: 6, stack: "    at work (/app/a.js:7:9)".into(), late: true },
        FromAgent::Memory(Box::new(memory::Figures { heap_used: 7, ..memory::Figures::default() })),
    ] {
        let bytes = message.write();
        let (frame, _) = frame::Frame::read(&bytes).unwrap().unwrap();
        assert_eq!(FromAgent::read(&frame).unwrap(), message);
    }
}

#[test]
fn a_malformed_message_is_an_error() {
    for (kind, fields) in [
        (HELLO, vec!["1"]),
        (LISTEN, vec!["1", "udp", "", "1", "0", "0", "p"]),
        (CLOSE, vec!["-1"]),
        (STALLED, vec!["1", "100", "1024", "6", "", "0"]),
        (STALLED, vec!["1", "100", "7", "", "", "0"]),
        (STALLED, vec!["1", "100", "", "", &"x".repeat(STACK_MAX + 1), "0"]),
        (BUSY, vec!["1024", "6", "25"]),
        (GLIMPSED, vec!["1024", "6", "", "0"]),
        (GLIMPSED, vec!["0", "6", &"x".repeat(STACK_MAX + 1), "0"]),
        (RESUMED, vec!["1", "100", "0"]),
        (RESUMED, vec!["1", "100", "0", "0"]),
        (RESUMED, vec!["1", "100", "0", "0", "1024", "6"]),
        (99, vec![]),
    ] {
        let bytes = write(kind, &fields);
        let (frame, _) = frame::Frame::read(&bytes).unwrap().unwrap();
        assert_eq!(FromAgent::read(&frame), Err(Unknown { kind }));
    }
}
