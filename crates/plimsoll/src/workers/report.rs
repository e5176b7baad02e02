//! Sentences about the life of workers.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::page::LeftBehind;
use crate::concerns::words::counted;

/// `exited with code 1`, `was killed by SIGKILL`.
pub(super) fn describe_end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => {
            let core = if status.core_dumped() { " (core dumped)" } else { "" };
            format!("was killed by {}{core}", signal_name(signal))
        }
        (None, None) => format!("ended with {status}"),
    }
}

/// Longest line of a worker that is quoted.
const QUOTE_MAX: usize = 200;

/// Memory that a process died of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// The kernel killed it for the container's.
    Container,
    Heap,
    /// The system gave no more for something outside the heap.
    Outside,
}

/// `oom_kills` is how many processes of our control group were killed for its memory meanwhile.
pub(super) fn lack(status: ExitStatus, oom_kills: u64, last_lines: &[String]) -> Option<Lack> {
    // A shell between us and Node gives the signal as 128 and its number.
    let by = |signal: i32| status.signal() == Some(signal) || status.code() == Some(128 + signal);
    let said = |words: &str| last_lines.iter().any(|line| line.contains(words));
    if by(libc::SIGKILL) && oom_kills > 0 {
        return Some(Lack::Container);
    }
    if by(libc::SIGABRT) && said("FATAL ERROR") && said("heap out of memory") {
        return Some(Lack::Heap);
    }
    let is_outside = said("Array buffer allocation failed")
        || said("process out of memory")
        || (by(libc::SIGABRT) && said("bad_alloc"));
    (is_outside && !status.success()).then_some(Lack::Outside)
}

impl Lack {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Container => "; the kernel killed it because the memory of the container was used up",
            Self::Heap => {
                "; the V8 heap was full: find what grows (plimsoll heap-snapshot), or raise memory.heap or \
                 --max-old-space-size"
            }
            Self::Outside => {
                "; memory outside the heap (buffers, addons) could not be had: find what holds buffers, or give the \
                 container more"
            }
        }
    }
}

/// Why it ended, where it said so itself: `; it said: TypeError: x is not y`.
pub(super) fn describe_error(status: ExitStatus, last_lines: &[String]) -> String {
    let error = last_lines.iter().rev().find(|line| line.contains("Error: ") || line.contains("Error ["));
    error.filter(|_| !status.success()).map_or_else(String::new, |line| {
        // It ends up in terminals: what would move their cursor stays out.
        let quoted: String =
            line.trim().chars().filter(|character| !character.is_control()).take(QUOTE_MAX).collect();
        format!("; it said: {quoted}")
    })
}

/// What it was running: `; it was running 2 requests, and 5 that it had not begun were taken back`.
pub(super) fn describe_work(left: &LeftBehind) -> String {
    let requests = |count: usize| counted(count as u64, "request");
    match (left.running.len(), left.not_begun) {
        (0, 0) => "; it was running no request".to_owned(),
        (running, 0) => format!("; it was running {}", requests(running)),
        (0, 1) => "; 1 request that it had not begun was taken back".to_owned(),
        (0, not_begun) => format!("; {not_begun} requests that it had not begun were taken back"),
        (running, 1) => {
            format!("; it was running {}, and 1 that it had not begun was taken back", requests(running))
        }
        (running, not_begun) => {
            let running = requests(running);
            format!("; it was running {running}, and {not_begun} that it had not begun were taken back")
        }
    }
}

fn signal_name(signal: i32) -> String {
    let known = [
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGTERM, "SIGTERM"),
    ];
    let name = known.iter().find(|(number, _)| *number == signal);
    name.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

/// `1.2s`, `45ms`.
pub(super) fn describe_time(time: Duration) -> String {
    match time.as_millis() {
        milliseconds @ 0..1000 => format!("{milliseconds}ms"),
        _ => format!("{:.1}s", time.as_secs_f64()),
    }
}

/// The agent itself, and not the app, ended the process at start: Node's permission model keeps it from
/// reading the preload.
pub(super) fn was_spoiled_by_preload(last_lines: &[String], preload: &str) -> bool {
    last_lines.iter().any(|line| line.contains(preload) || line.contains("ERR_ACCESS_DENIED"))
}

/// Node ended at once because it does not know an option of ours.
pub(super) fn was_refused(last_lines: &[String], option: &str) -> bool {
    last_lines.iter().any(|line| line.contains(option) && line.contains("is not allowed in NODE_OPTIONS"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workers::page::Running;

    #[test]
    fn an_option_that_node_refuses_is_known_by_what_it_says() {
        let said = |line: &str| was_refused(&[line.to_owned()], "--experimental-x");
        assert!(said("/usr/bin/node: --experimental-x is not allowed in NODE_OPTIONS"));
        assert!(said("node: --experimental-x= is not allowed in NODE_OPTIONS"));
        assert!(!said("node: --other is not allowed in NODE_OPTIONS"));
        assert!(!said("--experimental-x was set"));
    }

    #[test]
    fn what_a_worker_was_running_is_told_in_words() {
        let table = [
            (0, 0, "; it was running no request"),
            (1, 0, "; it was running 1 request"),
            (2, 0, "; it was running 2 requests"),
            (0, 1, "; 1 request that it had not begun was taken back"),
            (0, 2, "; 2 requests that it had not begun were taken back"),
            (1, 1, "; it was running 1 request, and 1 that it had not begun was taken back"),
            (3, 7, "; it was running 3 requests, and 7 that it had not begun were taken back"),
        ];
        for (running, not_begun, expected) in table {
            let running = vec![Running { slot: 0, word: 6 }; running];
            assert_eq!(describe_work(&LeftBehind { running, not_begun }), expected);
        }
    }

    #[test]
    fn the_cause_of_a_death_is_told_where_it_can_be_known() {
        let heap = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory";
        let table: [(i32, u64, &[&str], &str); 12] = [
            (9, 1, &[], "memory of the container"),
            (137 << 8, 1, &[], "memory of the container"),
            (9, 0, &[], ""),
            (6, 0, &["<--- Last few GCs --->", heap, "----- Native stack trace -----"], "V8 heap was full"),
            (134 << 8, 0, &[heap], "V8 heap was full"),
            (6, 0, &["double free"], ""),
            (
                0x100,
                0,
                &["  throw x", "TypeError: x is not y", "    at a.js:1"],
                "; it said: TypeError: x is not y",
            ),
            (0x100, 0, &["\x1b]0;title\x07Error: bad\x08"], "; it said: ]0;titleError: bad"),
            (0, 0, &["Error: handled"], ""),
            (0x100, 0, &["RangeError: Array buffer allocation failed"], "memory outside the heap"),
            (
                6,
                0,
                &["terminate called after throwing an instance of 'std::bad_alloc'"],
                "memory outside the heap",
            ),
            (0, 0, &["Array buffer allocation failed"], ""),
        ];
        for (raw, oom_kills, lines, expected) in table {
            let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
            let status = ExitStatus::from_raw(raw);
            let lack = lack(status, oom_kills, &lines).map(|lack| lack.describe().to_owned());
            let cause = lack.unwrap_or_else(|| describe_error(status, &lines));
            assert!(cause.contains(expected) && cause.is_empty() == expected.is_empty(), "{raw:#x}: {cause}");
        }
    }

    #[test]
    fn the_end_of_a_process_is_told_in_words() {
        let table = [
            (0, "exited with code 0"),
            (0x100, "exited with code 1"),
            (9, "was killed by SIGKILL"),
            (0x86, "was killed by SIGABRT (core dumped)"),
            (40, "was killed by signal 40"),
        ];
        for (raw, expected) in table {
            assert_eq!(describe_end(ExitStatus::from_raw(raw)), expected);
        }
        assert_eq!(describe_time(Duration::from_millis(45)), "45ms");
        assert_eq!(describe_time(Duration::from_millis(1249)), "1.2s");
    }
}
