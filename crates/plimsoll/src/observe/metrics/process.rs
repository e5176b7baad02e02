//! What the kernel says of Plimsoll's own process. What cannot be read is left out, never guessed.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};

#[derive(Debug, Clone, Default)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) start_time_seconds: Option<f64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let stat = stat.as_deref().and_then(Stat::parse);
        Self {
            cpu_seconds: stat.as_ref().map(|stat| seconds(stat.cpu_ticks)),
            resident_bytes: stat.as_ref().map(|stat| stat.resident_pages * page_size() as u64),
            open_fds: open_fds(),
            start_time_seconds: stat.and_then(|stat| Some(boot_time_seconds()? + seconds(stat.start_ticks))),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    resident_pages: u64,
}

impl Stat {
    /// Fields are counted from the last `)`: the name of a process may contain anything, also `)`. The first
    /// after it is field 3 of proc_pid_stat(5).
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self { cpu_ticks: field(14)? + field(15)?, start_ticks: field(22)?, resident_pages: field(24)? })
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of centuries are exact in an f64")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

fn boot_time_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Without the one that reads the directory.
fn open_fds() -> Option<u64> {
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields_behind_any_process_name() {
        let line =
            "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 12 5 0 0 20 0 3 0 9876 1000 250 18446744073709551615";
        assert_eq!(Stat::parse(line), Some(Stat { cpu_ticks: 17, start_ticks: 9876, resident_pages: 250 }));
        for broken in ["", "7 (a", "7 (a) S 1"] {
            assert_eq!(Stat::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn this_process_has_figures() {
        let process = Process::read();
        assert!(process.resident_bytes > Some(100_000), "{process:?}");
        assert!(process.open_fds > Some(2), "{process:?}");
        assert!(process.start_time_seconds > Some(1.6e9), "{process:?}");
        assert!(process.cpu_seconds.is_some());
    }
}
