//! Clients that go on while something happens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::server::Server;
use super::wait::until;

/// Each of `clients` is called again and again, on a thread of its own, while `act` runs.
pub(crate) fn meanwhile<T>(
    clients: impl IntoIterator<Item = impl FnMut() + Send>,
    act: impl FnOnce() -> T,
) -> T {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for mut client in clients {
            let ended = &ended;
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    client();
                }
            });
        }
        // Also when something fails here: a test that fails must end.
        let _end = End(&ended);
        act()
    })
}

/// Sends requests over kept-alive and fresh connections before, during and after `act`. All must be answered.
pub(crate) fn under_load(server: &Server, act: impl FnOnce()) {
    let answered = &AtomicUsize::new(0);
    let clients = [true, true, false, false].map(|kept_alive| {
        let mut client = server.connect();
        move || {
            if !kept_alive {
                client = server.connect();
            }
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response("GET").status, 200);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    });
    meanwhile(clients, || {
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
