//! Reading `/proc`: CPU time, memory and family of processes. The parsers are pure; the readers only open files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

pub(crate) type Pid = u32;

/// The fields of `/proc/PID/stat` that are of use here; times in clock ticks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: Pid,
    pub(crate) own_ticks: u64,
    /// Children that have ended and were waited for.
    pub(crate) children_ticks: u64,
}

/// The name of the program may itself hold blanks and parentheses, so the fields are counted from the last `)`.
pub(crate) fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own_ticks: number(11)? + number(12)?,
        children_ticks: number(13)? + number(14)?,
    })
}

/// A `Name:   123 kB` line of `/proc/PID/status` or `smaps_rollup`, in bytes.
pub(crate) fn parse_kib_line(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Of all CPUs together, from `/proc/stat`, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuTicks {
    pub(crate) total: u64,
    /// Neither idle nor waiting for a disk; stolen time included.
    pub(crate) busy: u64,
    /// In which there was something to do, and the host ran somebody else.
    pub(crate) stolen: u64,
}

impl CpuTicks {
    /// The part of all CPU time since `before` that the host took away, 0 to 1.
    pub(crate) fn stolen_since(&self, before: &Self) -> f64 {
        let total = self.total.saturating_sub(before.total).max(1);
        self.stolen.saturating_sub(before.stolen) as f64 / total as f64
    }
}

pub(crate) fn parse_cpu_ticks(text: &str) -> Option<CpuTicks> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
    let total: u64 = fields.iter().take(8).sum();
    Some(CpuTicks { total, busy: total - fields.get(3)? - fields.get(4)?, stolen: *fields.get(7)? })
}

pub(crate) fn stat(pid: Pid) -> anyhow::Result<Stat> {
    parse_stat(&read(pid, "stat")?).with_context(|| format!("stat of process {pid} is malformed"))
}

pub(crate) fn cpu_ticks() -> anyhow::Result<CpuTicks> {
    parse_cpu_ticks(&fs::read_to_string("/proc/stat")?).context("/proc/stat is malformed")
}

pub(crate) fn busy_ns() -> anyhow::Result<u64> {
    Ok(ticks_to_ns(cpu_ticks()?.busy))
}

pub(crate) fn ticks_to_ns(ticks: u64) -> u64 {
    ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second()
}

/// Time on a CPU of all threads of the processes, in nanoseconds (`stat` counts in steps of 10 ms).
pub(crate) fn cpu_ns(pids: &[Pid]) -> anyhow::Result<u64> {
    pids.iter().map(|pid| cpu_ns_of(*pid)).sum()
}

/// As [`cpu_ns`], of the threads of one process whose name begins so.
pub(crate) fn cpu_ns_of_threads(pid: Pid, name: &str) -> anyhow::Result<u64> {
    cpu_ns_where(pid, |comm| comm.starts_with(name))
}

fn cpu_ns_of(pid: Pid) -> anyhow::Result<u64> {
    cpu_ns_where(pid, |_| true)
}

fn cpu_ns_where(pid: Pid, counts: impl Fn(&str) -> bool) -> anyhow::Result<u64> {
    let mut total = 0;
    for thread in
        fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))?
    {
        // A thread may end between the listing and the look; what it used is then missing from both ends.
        let thread = thread?.path();
        let is_counted = fs::read_to_string(thread.join("comm")).is_ok_and(|comm| counts(&comm));
        let Some(text) = fs::read_to_string(thread.join("schedstat")).ok().filter(|_| is_counted) else {
            continue;
        };
        total +=
            text.split_ascii_whitespace().next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(total)
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    pub(crate) rss: u64,
    /// Pages shared between processes are counted once: for a program that is several processes.
    pub(crate) pss: u64,
}

impl Memory {
    pub(crate) fn max(self, other: Self) -> Self {
        Self { rss: self.rss.max(other.rss), pss: self.pss.max(other.pss) }
    }
}

pub(crate) fn memory(pids: &[Pid]) -> anyhow::Result<Memory> {
    let mut sum = Memory::default();
    for pid in pids {
        sum.rss += parse_kib_line(&read(*pid, "status")?, "VmRSS").context("no VmRSS")?;
        sum.pss += parse_kib_line(&read(*pid, "smaps_rollup")?, "Pss").context("no Pss")?;
    }
    Ok(sum)
}

/// All processes below `root`, without itself, oldest first.
pub(crate) fn descendants(root: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = all().filter_map(|pid| Some((pid, stat(pid).ok()?.parent))).collect();
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        found.extend(
            parents
                .iter()
                .filter(|(_, parent)| found.contains(parent))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        if found.len() == before {
            found.remove(&root);
            return found.into_iter().collect();
        }
    }
}

fn all() -> impl Iterator<Item = Pid> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether the process runs `program`, judged by its executable: Node renames its threads.
pub(crate) fn runs(pid: Pid, program: &Path) -> bool {
    let own = fs::read_link(format!("/proc/{pid}/exe")).ok();
    own.is_some() && own == fs::canonicalize(program).ok()
}

fn read(pid: Pid, file: &str) -> anyhow::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("process {pid} is gone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_name_with_blanks_and_parentheses() {
        let text = "4711 (a) b (c) S 12 4711 4711 0 -1 4194560 100 0 0 0 250 150 7 3 20 0 1 0 100 0 0";
        assert_eq!(parse_stat(text), Some(Stat { parent: 12, own_ticks: 400, children_ticks: 10 }));
    }

    #[test]
    fn stat_that_ends_early_is_refused() {
        for text in ["", "4711 (node", "4711 (node) S 12 4711"] {
            assert_eq!(parse_stat(text), None, "{text:?}");
        }
    }

    #[test]
    fn memory_lines_are_found_by_their_whole_name() {
        let text = "Pss_Dirty:   9 kB\nPss:            12 kB\nVmRSS:\t   34 kB\n";
        assert_eq!(parse_kib_line(text, "Pss"), Some(12 * 1024));
        assert_eq!(parse_kib_line(text, "VmRSS"), Some(34 * 1024));
        assert_eq!(parse_kib_line(text, "VmSwap"), None);
    }

    #[test]
    fn idle_and_disk_waits_are_not_busy() {
        let text = "cpu  10 1 20 1000 500 2 3 4 50 60\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let ticks = parse_cpu_ticks(text).unwrap();
        assert_eq!(ticks, CpuTicks { total: 1540, busy: 10 + 1 + 20 + 2 + 3 + 4, stolen: 4 });
        assert_eq!(parse_cpu_ticks("cpu  10 1 20 1000 500 2 3"), None);
    }

    #[test]
    fn stolen_time_is_a_part_of_all() {
        let before = CpuTicks { total: 1000, busy: 500, stolen: 20 };
        let after = CpuTicks { total: 1400, busy: 700, stolen: 30 };
        assert_eq!(after.stolen_since(&before), 0.025);
        assert_eq!(before.stolen_since(&before), 0.0);
    }
}
