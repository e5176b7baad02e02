//! Figures of a process and all that it started, from `/proc`.

mod figures;

use std::fs;

pub use self::figures::Figures;

/// Whether writing to this descriptor of a process waits for room; `None`: it is not known.
#[must_use]
pub fn is_blocking(pid: u32, descriptor: u32) -> Option<bool> {
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")).ok()?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
    Some(flags & libc::O_NONBLOCK == 0)
}

/// What this host, or container, calls itself.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What a worker uses: its process and the processes below it (npm, a shell, the app's own children).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub rss_bytes: u64,
    /// Of these: what is no file, and so no other process has as well.
    pub anonymous_bytes: u64,
    /// User and system time, in clock ticks.
    pub cpu_ticks: u64,
    pub processes: u32,
}

/// A tree larger than this is not counted to its end.
const PROCESSES_MAX: u32 = 256;

/// Sums up a process and its descendants. Whatever disappears while it is read counts as nothing.
#[must_use]
pub fn tree_usage(root: u32) -> Usage {
    let mut usage = Usage::default();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        if usage.processes >= PROCESSES_MAX {
            break;
        }
        let Some(one) = fs::read(format!("/proc/{pid}/stat")).ok().and_then(|stat| parse_stat(&stat)) else {
            continue;
        };
        usage.rss_bytes += one.rss_pages.saturating_mul(page_size());
        usage.anonymous_bytes += anonymous_bytes(pid);
        usage.cpu_ticks += one.cpu_ticks;
        usage.processes += 1;
        waiting.extend(children(pid));
    }
    usage
}

fn anonymous_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    anonymous_pages(&text).unwrap_or(0).saturating_mul(page_size())
}

/// Resident pages less those of files, in `/proc/<pid>/statm`.
fn anonymous_pages(statm: &str) -> Option<u64> {
    let mut pages = statm.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

/// Whether a process is stopped: by a signal, or by a debugger.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    matches!(state(&stat), Some(b'T' | b't'))
}

fn state(stat: &[u8]) -> Option<u8> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end + 2).copied()
}

/// Children of any thread of the process.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    rss_pages: u64,
    cpu_ticks: u64,
}

/// Reads `/proc/<pid>/stat`. The name of the command stands in parentheses and may contain anything, also
/// parentheses: the fields are counted from the last one. Numbered as in `proc(5)`.
fn parse_stat(stat: &[u8]) -> Option<Stat> {
    const FIRST: usize = 3;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let text = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let field = |number: usize| text.split_ascii_whitespace().nth(number - FIRST)?.parse::<u64>().ok();
    Some(Stat { rss_pages: field(24)?, cpu_ticks: field(14)? + field(15)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that has said its first line. It ends when its input does, if it reads any.
    pub(super) fn shell(script: &str) -> std::process::Child {
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut String::new()).unwrap();
        child
    }

    #[test]
    fn reads_figures_behind_a_hostile_name() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 11 0 1 1000 250 18446744073709551615";
        let stat = format!("42 (no) de) 7 (x) {fields}");
        assert_eq!(parse_stat(stat.as_bytes()), Some(Stat { rss_pages: 250, cpu_ticks: 100 }));
        for broken in ["", "1 (x", "1 (x) S 1 2"] {
            assert_eq!(parse_stat(broken.as_bytes()), None, "{broken:?}");
        }
    }

    #[test]
    fn what_is_no_file_is_counted_apart() {
        assert_eq!(anonymous_pages("5000 900 300 20 0 800 0\n"), Some(600));
        for broken in ["", "1 2", "1 x 3"] {
            assert_eq!(anonymous_pages(broken), None, "{broken:?}");
        }
        let own = tree_usage(std::process::id());
        assert!(own.anonymous_bytes > 0 && own.anonymous_bytes < own.rss_bytes, "{own:?}");
    }

    #[test]
    fn a_stopped_process_is_known() {
        assert_eq!([state(b"4 (a) T) T 1"), state(b"4 (a"), state(b"")], [Some(b'T'), None, None]);
        assert!(!is_stopped(std::process::id()));
    }

    #[test]
    fn counts_a_process_with_its_children() {
        let mut child = shell("sleep 30 & echo started; wait");
        let usage = tree_usage(child.id());
        for pid in children(child.id()) {
            crate::sys::process::kill(pid);
        }
        child.wait().unwrap();
        assert_eq!(usage.processes, 2);
        assert!(usage.rss_bytes > 0);
        assert_eq!(tree_usage(u32::MAX), Usage::default());
    }
}
