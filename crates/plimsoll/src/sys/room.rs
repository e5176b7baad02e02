//! How much room is left: memory of the control group and the host, and the file system.

use std::fs;
use std::path::Path;

use super::cgroup;

/// `f_type` of tmpfs: what is written there is memory as well.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// The largest V8 heap of which a snapshot can be written into `directory`: it takes about as much memory as the heap
/// has, and a file of about twice its size.
#[must_use]
pub fn for_heap_snapshot(directory: &Path) -> u64 {
    let memory = memory_left();
    let (disk, is_memory) = disk_left(directory);
    largest_heap(memory, disk, is_memory)
}

fn largest_heap(memory: u64, disk: u64, is_memory: bool) -> u64 {
    let by_memory = if is_memory { memory / 3 } else { memory };
    by_memory.min(disk / 2)
}

/// Bytes free for us on the file system of `directory`, and whether they are memory.
fn disk_left(directory: &Path) -> (u64, bool) {
    let free =
        rustix::fs::statvfs(directory).map_or(u64::MAX, |room| room.f_bavail.saturating_mul(room.f_frsize));
    let is_memory =
        rustix::fs::statfs(directory).is_ok_and(|system| u64::try_from(system.f_type) == Ok(TMPFS_MAGIC));
    (free, is_memory)
}

/// All memory of the host; `None`: it does not say.
#[must_use]
pub fn memory_of_host() -> Option<u64> {
    parse_memory(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

/// Memory that can be had before somebody is killed for it.
#[must_use]
pub fn memory_left() -> u64 {
    let host = fs::read_to_string("/proc/meminfo").ok();
    let host = host.and_then(|text| parse_memory(&text, "MemAvailable:"));
    host.into_iter().chain(cgroup::memory_left()).min().unwrap_or(u64::MAX)
}

fn parse_memory(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_host_can_spare() {
        let text = "MemTotal:       4000 kB\nMemFree: 1 kB\nMemAvailable:    2000 kB\n";
        assert_eq!(parse_memory(text, "MemAvailable:"), Some(2_048_000));
        assert_eq!(parse_memory(text, "MemTotal:"), Some(4_096_000));
        for broken in ["", "MemAvailable: x kB", "MemAvailable: 1 MB"] {
            assert_eq!(parse_memory(broken, "MemAvailable:"), None, "{broken:?}");
        }
    }

    #[test]
    fn a_file_in_memory_counts_twice() {
        assert_eq!(largest_heap(300, 10_000, false), 300);
        assert_eq!(largest_heap(300, 10_000, true), 100);
        assert_eq!(largest_heap(300, 100, false), 50);
        assert!(for_heap_snapshot(Path::new("/tmp")) > 0);
    }
}
