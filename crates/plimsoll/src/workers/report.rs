//! Sentences about the life of workers.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
