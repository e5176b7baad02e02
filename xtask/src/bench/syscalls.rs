//! System calls of a proxy per kept-alive request, counted by `strace -c` over a known number of requests.
//!
//! Two figures: one connection (each request by itself: the most calls a request can need) and many in step
//! (requests arrive together: what waiting for events is shared). No `wrk` here, for the number of requests must
//! be exact: `strace` is attached before the first and taken away after the last.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use serde::Serialize;

use super::child::Child;
use super::client::{Address, Connection};
use super::contender::Answering;
use super::procfs::Pid;
use super::wait;
use super::workshop::Workshop;

const REQUESTS: usize = 2_000;
/// Plimsoll's threads that do.
const SERVING: &str = "gateway-";
const DATA_CALLS: [&str; 12] = [
    "read", "readv", "recvfrom", "recvmsg", "recvmmsg", "write", "writev", "sendto", "sendmsg", "sendmmsg",
    "sendfile", "splice",
];

/// Calls of one name, per request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Calls {
    pub(super) name: String,
    pub(super) count: f64,
    /// Of these, those that failed (most: `EAGAIN`).
    pub(super) failed: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Census {
    pub(super) connections: usize,
    pub(super) data_calls: f64,
    pub(super) all_calls: f64,
    pub(super) calls: Vec<Calls>,
}

pub(super) fn count(
    workshop: &Workshop,
    strace: &Path,
    running: &Answering,
    connections: usize,
) -> anyhow::Result<Census> {
    let address = Address::port(running.port);
    let mut clients =
        (0..connections).map(|_| Connection::open(&address)).collect::<anyhow::Result<Vec<_>>>()?;
    let turns = REQUESTS / connections;
    in_step(&mut clients, 20)?;

    let log = workshop.log("strace");
    let mut tracer = attach(workshop, strace, &running.proxy, &log)?;
    in_step(&mut clients, turns)?;
    // On SIGINT strace detaches and prints its table; the proxy goes on.
    tracer.signal(Signal::INT);
    tracer.wait(Duration::from_secs(10), "the end of strace")?;

    let calls = parse(&fs::read_to_string(&log)?, (turns * connections) as f64);
    let sum = |wanted: &dyn Fn(&Calls) -> bool| {
        calls.iter().filter(|call| wanted(call)).map(|call| call.count).sum()
    };
    Ok(Census {
        connections,
        data_calls: sum(&|call| DATA_CALLS.contains(&call.name.as_str())),
        all_calls: sum(&|_| true),
        calls,
    })
}

fn attach(workshop: &Workshop, strace: &Path, pids: &[Pid], log: &Path) -> anyhow::Result<Child> {
    let serving: Vec<Pid> = pids.iter().flat_map(|pid| serving_threads(*pid)).collect();
    let pids = if serving.is_empty() { pids } else { &serving };
    let child = Child::start(strace, workshop.placement.load, log, |command| {
        command.args(["-c", "-S", "calls"]);
        if serving.is_empty() {
            command.arg("-f");
        }
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
    })?;
    // It prints a line for each process or thread it holds; those that it finds first may not be the last.
    wait::until(Duration::from_secs(10), "the start of strace", || {
        let text = fs::read_to_string(log).ok()?;
        (text.matches(" attached").count() >= pids.len()).then_some(())
    })
    .with_context(|| fs::read_to_string(log).unwrap_or_default())?;
    wait::pause(Duration::from_millis(200));
    Ok(child)
}

/// The threads that serve requests, where a process has others as well: what those do once a second would count for
/// more requests the slower `strace` makes these.
fn serving_threads(pid: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let serves = |thread: &fs::DirEntry| {
        fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.starts_with(SERVING))
    };
    let threads = threads.flatten().filter(serves);
    threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok()).collect()
}

/// All clients ask, then all read: `turns` times.
fn in_step(clients: &mut [Connection], turns: usize) -> anyhow::Result<()> {
    for _ in 0..turns {
        for client in clients.iter_mut() {
            client.send(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")?;
        }
        for client in clients.iter_mut() {
            client.receive()?;
        }
    }
    Ok(())
}

/// The table of `strace -c`: share, seconds, microseconds each, calls, failed calls (often blank), name.
fn parse(text: &str, requests: f64) -> Vec<Calls> {
    text.lines().filter_map(|line| parse_row(line, requests)).collect()
}

fn parse_row(line: &str, requests: f64) -> Option<Calls> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (count, failed, name) = match fields.as_slice() {
        [_, _, _, count, name] => (count, "0", name),
        [_, _, _, count, failed, name] => (count, *failed, name),
        _ => return None,
    };
    if *name == "total" {
        return None;
    }
    Some(Calls {
        name: (*name).to_owned(),
        count: count.parse::<f64>().ok()? / requests,
        failed: failed.parse::<f64>().ok()? / requests,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_strace_is_read_without_its_frame_and_total() {
        let text = "strace: Process 7 attached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60,00    0.012000           3      4000      1000 recvfrom
 40.00    0.008000           4      2000           writev
------ ----------- ----------- --------- --------- ----------------
100.00    0.020000           3      6000      1000 total
";
        let call = |name: &str, count, failed| Calls { name: name.to_owned(), count, failed };
        assert_eq!(parse(text, 1000.0), [call("recvfrom", 4.0, 1.0), call("writev", 2.0, 0.0)]);
    }
}
