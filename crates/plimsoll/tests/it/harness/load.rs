//! Clients that go on while something happens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::server::Server;
use super::wait::until;

/// Sends requests over kept-alive and fresh connections before, during and after `act`. All must be answered.
pub(crate) fn under_load(server: &Server, act: impl FnOnce()) {
    let (ended, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for kept_alive in [true, true, false, false] {
            let (ended, answered) = (&ended, &answered);
            scope.spawn(move || {
                let mut client = server.connect();
                while !ended.load(Ordering::Relaxed) {
                    if !kept_alive {
                        client = server.connect();
                    }
                    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                    assert_eq!(client.response("GET").status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Also when something fails here: a test that fails must end.
        let _end = End(&ended);
        let some_more = |what: &str| {
            let before = answered.load(Ordering::Relaxed);
            until(what, || (answered.load(Ordering::Relaxed) > before + 20).then_some(()));
        };
        some_more("requests are answered before");
        act();
        some_more("requests are answered after");
    });
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
