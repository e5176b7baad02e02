//! A reader of stderr that reads nothing (a stopped log shipper) stops nothing else.

use std::process::{Child, Stdio};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;

use crate::harness::{Client, free_port, node, plimsoll, signal, until};

const HELLO: &str = "
    require('node:http').createServer((request, response) => response.end('hello')).listen(process.env.PORT);
";

/// Both ends of a pipe that takes no more bytes; what writes to it will wait.
fn full_pipe() -> (rustix::fd::OwnedFd, rustix::fd::OwnedFd) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    while rustix::io::write(&writer, b"x") != Err(Errno::AGAIN) {}
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty()).unwrap();
    (reader, writer)
}

/// Workers end with their supervisor.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stuck_reader_of_stderr_holds_up_neither_requests_nor_the_end() {
    let (_never_read, full) = full_pipe();
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let plimsoll = plimsoll()
        .args(["run", "--admin", "off", "--log-level", "debug", "--"])
        .args([node().as_os_str(), "-e".as_ref(), HELLO.as_ref()])
        .current_dir(&directory)
        .env_remove("NODE_OPTIONS")
        .env("XDG_RUNTIME_DIR", directory.path())
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(full)
        .spawn()
        .unwrap();
    let mut plimsoll = Killed(plimsoll);
    until("a request is answered", || (Client::try_get(port, "/") == Some(200)).then_some(()));
    signal(plimsoll.0.id(), Signal::TERM);
    let status = until("the process exits", || plimsoll.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
