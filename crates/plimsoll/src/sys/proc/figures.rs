//! The figures of processes that metrics show. What cannot be read is left out, never guessed.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};

use super::{PROCESSES_MAX, children};

/// Of a process, or of a process and those below it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Of a tree with those of children that have ended.
    pub cpu_user_seconds: f64,
    pub cpu_system_seconds: f64,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    /// `VmData`.
    pub data_bytes: u64,
    pub open_fds: Option<u64>,
    /// Of the first process.
    pub max_fds: Option<u64>,
    /// Seconds since the epoch; of the first process.
    pub start_time_seconds: Option<f64>,
}

/// How often a tree is read that changes while it is.
const READINGS_MAX: usize = 3;

impl Figures {
    /// Of the process alone: nothing of its children, whether they live or not.
    #[must_use]
    pub fn of_process(pid: u32) -> Option<Self> {
        Self::read(pid, |stat| (stat.user_ticks, stat.system_ticks))
    }

    fn read(pid: u32, ticks: impl Fn(&Stat) -> (u64, u64)) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = Stat::parse(&stat)?;
        let (user, system) = ticks(&stat);
        Some(Self {
            cpu_user_seconds: seconds(user),
            cpu_system_seconds: seconds(system),
            resident_bytes: stat.resident_pages.saturating_mul(page_size() as u64),
            virtual_bytes: stat.virtual_bytes,
            data_bytes: data_bytes(pid).unwrap_or(0),
            open_fds: fs::read_dir(format!("/proc/{pid}/fd")).ok().map(|fds| fds.count() as u64),
            max_fds: max_fds(pid),
            start_time_seconds: boot_time_seconds().map(|boot| boot + seconds(stat.start_ticks)),
        })
    }

    /// Of the process and its descendants, and of those that have ended. One that ends between the reading of its parent
    /// and its own would be in neither: it is read again.
    #[must_use]
    pub fn of_tree(root: u32) -> Option<Self> {
        let mut sum = None;
        for _ in 0..READINGS_MAX {
            let (read, is_whole) = Self::read_tree(root)?;
            sum = Some(read);
            if is_whole {
                break;
            }
        }
        sum
    }

    /// The sum, and whether nothing disappeared meanwhile.
    fn read_tree(root: u32) -> Option<(Self, bool)> {
        let with_ended = |stat: &Stat| {
            let sum = |own: u64, ended: u64| own.saturating_add(ended);
            (sum(stat.user_ticks, stat.ended_user_ticks), sum(stat.system_ticks, stat.ended_system_ticks))
        };
        // Children before their parent: one that ends in between is found in the parent's own figures.
        let mut waiting = children(root);
        let mut sum = Self::read(root, with_ended)?;
        let (mut processes, mut is_whole) = (1, true);
        while let Some(pid) = waiting.pop().filter(|_| processes < PROCESSES_MAX) {
            let below = children(pid);
            match Self::read(pid, with_ended) {
                Some(one) => sum.add(&one),
                None => is_whole = false,
            }
            processes += 1;
            waiting.extend(below);
        }
        Some((sum, is_whole))
    }

    fn add(&mut self, other: &Self) {
        self.cpu_user_seconds += other.cpu_user_seconds;
        self.cpu_system_seconds += other.cpu_system_seconds;
        self.resident_bytes = self.resident_bytes.saturating_add(other.resident_bytes);
        self.virtual_bytes = self.virtual_bytes.saturating_add(other.virtual_bytes);
        self.data_bytes = self.data_bytes.saturating_add(other.data_bytes);
        self.open_fds = self.open_fds.zip(other.open_fds).map(|(sum, one)| sum.saturating_add(one));
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    user_ticks: u64,
    system_ticks: u64,
    /// Of children that were waited for, with theirs.
    ended_user_ticks: u64,
    ended_system_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    /// Fields are counted from the last `)`: the name of a process may contain anything, also `)`. The first after it is
    /// field 3 of proc(5).
    fn parse(stat: &[u8]) -> Option<Self> {
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let text = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            user_ticks: field(14)?,
            system_ticks: field(15)?,
            ended_user_ticks: field(16)?,
            ended_system_ticks: field(17)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of centuries are exact in an f64")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

fn data_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn max_fds(pid: u32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn boot_time_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::proc::tests::shell;

    #[test]
    fn reads_the_fields_behind_any_process_name() {
        let line =
            b"7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 12 5 30 2 20 0 3 0 9876 1000 250 18446744073709551615";
        let expected = Stat {
            user_ticks: 12,
            system_ticks: 5,
            ended_user_ticks: 30,
            ended_system_ticks: 2,
            start_ticks: 9876,
            virtual_bytes: 1000,
            resident_pages: 250,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        for broken in ["", "7 (a", "7 (a) S 1"] {
            assert_eq!(Stat::parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn this_process_has_figures() {
        let own = Figures::of_process(std::process::id()).unwrap();
        assert!(own.resident_bytes > 100_000 && own.virtual_bytes > own.resident_bytes, "{own:?}");
        assert!(own.data_bytes > 100_000 && own.start_time_seconds > Some(1.6e9), "{own:?}");
        assert!(own.open_fds > Some(2) && own.max_fds > own.open_fds, "{own:?}");
        assert_eq!(Figures::of_tree(u32::MAX), None);
    }

    #[test]
    fn what_children_used_that_have_ended_is_of_the_tree_alone() {
        // Enough to be seen in ticks of 10 ms.
        let burn = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let script = format!("( {burn} ); echo ended; read line");
        let mut child = shell(&script);
        let (own, tree) = (Figures::of_process(child.id()).unwrap(), Figures::of_tree(child.id()).unwrap());
        drop(child.stdin.take());
        child.wait().unwrap();
        let sum = |figures: &Figures| figures.cpu_user_seconds + figures.cpu_system_seconds;
        assert!(sum(&tree) > sum(&own), "{own:?} {tree:?}");
    }

    #[test]
    fn a_tree_is_the_process_and_those_below_it() {
        let mut child = shell("sleep 30 & echo started; wait");
        let (one, tree) = (Figures::of_process(child.id()), Figures::of_tree(child.id()));
        for pid in children(child.id()) {
            crate::sys::process::kill(pid);
        }
        child.wait().unwrap();
        let (one, tree) = (one.unwrap(), tree.unwrap());
        assert!(tree.open_fds > one.open_fds && tree.virtual_bytes > one.virtual_bytes, "{one:?} {tree:?}");
    }
}
