//! What the control group allows us, versions 1 and 2: CPUs (with the affinity mask), and what became of those
//! who needed more memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files with the limits of memory, of either version. Above `memory.high` (`MemoryHigh` of systemd) nobody is killed, but all are
/// slowed down until they hold less: Node takes the lower of the two for its memory as well.
const LIMITS_V2: &[&str] = &["memory.max", "memory.high"];
const LIMITS_V1: &[&str] = &["memory.limit_in_bytes"];

/// How many workers `auto` means: the whole CPUs that we may use, at least one. A fraction is left to the
/// gateway: of 1.5 CPUs, two busy workers would be stopped by the kernel for a quarter of the time.
#[must_use]
pub fn workers_auto() -> u16 {
    whole_cpus(cpus_allowed(), cpu_quota())
}

fn whole_cpus(allowed: u32, quota: Option<f64>) -> u16 {
    let cpus = quota.unwrap_or(f64::from(allowed)).min(f64::from(allowed)).max(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the CPUs of a host"
    )]
    let whole = cpus as u16;
    whole
}

/// CPUs of the affinity mask.
#[must_use]
pub fn cpus_allowed() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count().max(1))
}

/// Our control group in one hierarchy.
#[derive(Debug)]
struct Group {
    /// Where the hierarchy is mounted.
    root: PathBuf,
    path: PathBuf,
}

impl Group {
    /// In the one hierarchy of version 2, and in that of `controller` of version 1.
    fn ours(controller: &str) -> [Option<Self>; 2] {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let root = Path::new("/sys/fs/cgroup");
        [("", root.to_owned()), (controller, root.join(controller))]
            .map(|(controller, root)| Some(Self { root, path: own_group(&groups, controller)? }))
    }

    fn below(&self) -> &Path {
        self.path.strip_prefix("/").unwrap_or(&self.path)
    }

    /// From itself up to the root. Inside a container the upper part of the path may not be visible; what is missing
    /// is passed over by whoever reads there.
    fn and_parents(&self) -> impl Iterator<Item = PathBuf> {
        self.below().ancestors().map(|part| self.root.join(part))
    }

    /// What is read first in its own directory, or in the root: inside a container the path may be the host's, and
    /// then the group is the root that we see.
    fn find<T>(&self, file: &str, parse: fn(&str) -> Option<T>) -> Option<T> {
        [self.root.join(self.below()), self.root.clone()]
            .into_iter()
            .find_map(|directory| parse(&read(&directory, file)?))
    }
}

fn read(directory: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(directory.join(file)).ok()
}

/// The smallest quota of our control group and its parents, in CPUs; `None`: no quota.
#[must_use]
pub fn cpu_quota() -> Option<f64> {
    let [v2, v1] = Group::ours("cpu");
    let of_v2 = |directory: PathBuf| parse_v2(&read(&directory, "cpu.max")?);
    let of_v1 = |directory: PathBuf| {
        parse_v1(&read(&directory, "cpu.cfs_quota_us")?, &read(&directory, "cpu.cfs_period_us")?)
    };
    let v2 = v2.iter().flat_map(Group::and_parents).filter_map(of_v2);
    v2.chain(v1.iter().flat_map(Group::and_parents).filter_map(of_v1)).reduce(f64::min)
}

/// How many processes of our control group were killed because its memory was used up; `None`: nobody counts.
#[must_use]
pub fn oom_kills() -> Option<u64> {
    let [v2, v1] = Group::ours("memory");
    let v1 = || v1?.find("memory.oom_control", parse_oom_kills);
    v2.and_then(|group| group.find("memory.events", parse_oom_kills)).or_else(v1)
}

/// For how long our control group has been kept from its CPUs because its quota was used up; `None`: it has none.
#[must_use]
pub fn throttled() -> Option<Duration> {
    Group::ours("cpu").into_iter().flatten().find_map(|group| group.find("cpu.stat", parse_throttled))
}

/// Memory that our control group and its parents leave us; `None`: they set no limit.
#[must_use]
pub fn memory_left() -> Option<u64> {
    let [v2, v1] = Group::ours("memory");
    let of_v2 = |directory: PathBuf| left_of(&directory, LIMITS_V2, "memory.current", "inactive_file ");
    let of_v1 =
        |directory: PathBuf| left_of(&directory, LIMITS_V1, "memory.usage_in_bytes", "total_inactive_file ");
    let v2 = v2.iter().flat_map(Group::and_parents).filter_map(of_v2);
    v2.chain(v1.iter().flat_map(Group::and_parents).filter_map(of_v1)).min()
}

/// The smallest limit of memory that our control group and its parents set; `None`: they set none.
#[must_use]
pub fn memory_limit() -> Option<u64> {
    let [v2, v1] = Group::ours("memory");
    let v2 = v2.and_then(|group| limit(&group, LIMITS_V2));
    v2.into_iter().chain(v1.and_then(|group| limit(&group, LIMITS_V1))).min()
}

fn limit(group: &Group, files: &[&str]) -> Option<u64> {
    group.and_parents().filter_map(|directory| limit_of(&directory, files)).min()
}

/// The smallest of these. Version 1 has no word for "no limit", but a number larger than any memory; version 2 says `max`.
fn limit_of(directory: &Path, files: &[&str]) -> Option<u64> {
    const LARGEST: u64 = 1 << 50;
    let limits = files.iter().filter_map(|file| read(directory, file)?.trim().parse::<u64>().ok());
    limits.filter(|limit| *limit < LARGEST).min()
}

/// `throttled_usec` of version 2, `throttled_time` (nanoseconds) of version 1.
fn parse_throttled(text: &str) -> Option<Duration> {
    let number = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    number("throttled_usec ")
        .map(Duration::from_micros)
        .or_else(|| number("throttled_time ").map(Duration::from_nanos))
}

/// The limit less what is used; files that nobody has touched for long are given back before anyone is killed.
fn left_of(directory: &Path, limits: &[&str], used: &str, reclaimable: &str) -> Option<u64> {
    let limit = limit_of(directory, limits)?;
    let used = read(directory, used)?.trim().parse::<u64>().ok()?;
    let stat = read(directory, "memory.stat").unwrap_or_default();
    let spare = stat.lines().find_map(|line| line.strip_prefix(reclaimable)?.trim().parse::<u64>().ok());
    Some(limit.saturating_sub(used.saturating_sub(spare.unwrap_or(0))))
}

/// The line `oom_kill <number>` of either file.
fn parse_oom_kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// The path of our group in the hierarchy of `controller` (empty: version 2), from `/proc/self/cgroup`.
fn own_group(groups: &str, controller: &str) -> Option<PathBuf> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers.split(',').any(|name| name == controller).then(|| PathBuf::from(path))
    })
}

/// `cpu.max`: `<quota> <period>` in microseconds, or `max <period>`.
fn parse_v2(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

/// `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`.
fn parse_v1(quota: &str, period: &str) -> Option<f64> {
    ratio(quota.trim(), period.trim())
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.parse::<u32>().ok()?, period.parse::<u32>().ok()?);
    (quota > 0 && period > 0).then(|| f64::from(quota) / f64::from(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_quota_of_both_versions() {
        let v2 = [
            ("150000 100000\n", Some(1.5)),
            ("max 100000\n", None),
            ("", None),
            ("0 0", None),
            ("x y", None),
        ];
        for (text, expected) in v2 {
            assert_eq!(parse_v2(text), expected, "{text:?}");
        }
        let v1 = [("-1\n", "100000\n", None), ("50000\n", "100000\n", Some(0.5)), ("", "", None)];
        for (quota, period, expected) in v1 {
            assert_eq!(parse_v1(quota, period), expected, "{quota:?} {period:?}");
        }
    }

    #[test]
    fn reads_how_many_were_killed_for_memory() {
        let table = [
            ("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n", Some(2)),
            ("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", Some(7)),
            ("oom_kill_disable 0\nunder_oom 0\n", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_oom_kills(text), expected, "{text:?}");
        }
    }

    #[test]
    fn reads_for_how_long_it_was_throttled() {
        let table = [
            ("usage_usec 5\nnr_throttled 3\nthrottled_usec 1500\n", Some(Duration::from_micros(1500))),
            ("nr_periods 5\nthrottled_time 2000\n", Some(Duration::from_nanos(2000))),
            ("usage_usec 5\n", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_throttled(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_left_of_the_memory_counts_idle_files_as_free() {
        let directory = tempfile::tempdir().unwrap();
        let left = |limit: &str, high: &str| {
            for (name, text) in [
                ("memory.max", limit),
                ("memory.high", high),
                ("current", "700\n"),
                ("memory.stat", "anon 5\ninactive_file 100\n"),
            ] {
                std::fs::write(directory.path().join(name), text).unwrap();
            }
            left_of(directory.path(), LIMITS_V2, "current", "inactive_file ")
        };
        let table = [
            ("1000\n", "max\n", Some(400)),
            ("500\n", "max\n", Some(0)),
            ("max\n", "max\n", None),
            ("max\n", "900\n", Some(300)),
            ("1000\n", "900\n", Some(300)),
            ("1000\n", "2000\n", Some(400)),
        ];
        for (limit, high, expected) in table {
            assert_eq!(left(limit, high), expected, "{limit:?} {high:?}");
        }
    }

    #[test]
    fn the_smallest_limit_on_the_way_up_is_ours() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("pods/ours");
        std::fs::create_dir_all(&below).unwrap();
        let write = |path: &str, text: &str| std::fs::write(root.path().join(path), text).unwrap();
        let group = Group { root: root.path().to_owned(), path: "/pods/ours".into() };
        let limit = || limit(&group, LIMITS_V2);
        write("pods/ours/memory.max", "max\n");
        assert_eq!(limit(), None);
        write("pods/memory.max", "9223372036854771712\n");
        assert_eq!(limit(), None, "what version 1 says where there is none");
        write("pods/memory.max", "536870912\n");
        assert_eq!(limit(), Some(512 << 20));
        write("pods/ours/memory.max", "1073741824\n");
        assert_eq!(limit(), Some(512 << 20));
        write("pods/ours/memory.max", "268435456\n");
        assert_eq!(limit(), Some(256 << 20));
        write("pods/memory.high", "134217728\n");
        assert_eq!(limit(), Some(128 << 20), "a parent is slowed down from there on");
    }

    #[test]
    fn what_systemd_sets_as_high_alone_is_a_limit() {
        let root = tempfile::tempdir().unwrap();
        let group = Group { root: root.path().to_owned(), path: "/shop.service".into() };
        std::fs::create_dir(root.path().join("shop.service")).unwrap();
        let limit = |max: &str, high: &str| {
            let write = |file: &str, text: &str| {
                std::fs::write(root.path().join("shop.service").join(file), text).unwrap();
            };
            write("memory.max", max);
            write("memory.high", high);
            limit(&group, LIMITS_V2)
        };
        let table = [
            ("max\n", "max\n", None),
            ("max\n", "536870912\n", Some(512 << 20)),
            ("1073741824\n", "536870912\n", Some(512 << 20)),
            ("536870912\n", "1073741824\n", Some(512 << 20)),
        ];
        for (max, high, expected) in table {
            assert_eq!(limit(max, high), expected, "{max:?} {high:?}");
        }
    }

    #[test]
    fn finds_its_own_group() {
        let v1 = "12:pids:/a\n4:cpu,cpuacct:/docker/b\n1:name=systemd:/c\n";
        assert_eq!(own_group(v1, "cpu"), Some("/docker/b".into()));
        assert_eq!(own_group(v1, ""), None);
        assert_eq!(own_group("0::/user.slice/x\n", ""), Some("/user.slice/x".into()));
        assert_eq!(own_group("", ""), None);
    }

    #[test]
    fn the_way_leads_up_to_the_root_that_is_seen() {
        let parents = |path: &str| {
            let group = Group { root: "/root".into(), path: path.into() };
            group.and_parents().map(|part| part.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(parents("/a/b"), ["/root/a/b", "/root/a", "/root/"]);
        assert_eq!(parents("/"), ["/root/"]);
    }

    #[test]
    fn a_path_of_the_host_means_the_root() {
        let root = tempfile::tempdir().unwrap();
        let find = |path: &str| {
            Group { root: root.path().to_owned(), path: path.into() }.find("memory.events", parse_oom_kills)
        };
        std::fs::write(root.path().join("memory.events"), "oom_kill 3\n").unwrap();
        std::fs::create_dir(root.path().join("ours")).unwrap();
        std::fs::write(root.path().join("ours/memory.events"), "oom_kill 1\n").unwrap();
        assert_eq!([find("/ours"), find("/docker/of-the-host")], [Some(1), Some(3)]);
    }

    #[test]
    fn a_fraction_of_a_cpu_is_no_worker_but_there_is_always_one() {
        let table =
            [(8, None, 8), (8, Some(2.5), 2), (8, Some(1.5), 1), (8, Some(0.2), 1), (2, Some(16.0), 2)];
        for (allowed, quota, expected) in table {
            assert_eq!(whole_cpus(allowed, quota), expected, "{allowed} {quota:?}");
        }
    }
}
