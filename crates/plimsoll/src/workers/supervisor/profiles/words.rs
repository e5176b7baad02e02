//! What is said about a profile on its way.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::ids::WorkerId;
use crate::observe::control::What;
use crate::observe::units;

/// Longest reason of an agent that is passed on.
const REASON_MAX: usize = 300;

pub(super) fn log(what: What) -> &'static str {
    match what {
        What::Cpu { .. } => "a cpu profile is being taken",
        What::Stall { .. } => "a cpu profile runs until the event loop stands still",
        What::Heap => "a heap snapshot is being taken: until it is done the worker answers nothing",
    }
}

pub(super) fn begun(what: What, worker: WorkerId, pid: u32, heap_bytes: u64) -> String {
    match what {
        What::Cpu { seconds, .. } => format!("worker {worker} (pid {pid}) is profiled for {seconds} s"),
        What::Stall { threshold_ms, .. } => format!(
            "worker {worker} (pid {pid}) is profiled until its event loop stands still for {threshold_ms} ms"
        ),
        What::Heap => format!(
            "worker {worker} (pid {pid}) writes a snapshot of its heap of {}; it answers nothing until that is done",
            units::size(heap_bytes)
        ),
    }
}

pub(super) fn ended(what: What, worker: WorkerId, pid: u32) -> String {
    match what {
        What::Cpu { .. } => format!("worker {worker} (pid {pid}) was profiled"),
        What::Stall { .. } => format!("the event loop of worker {worker} (pid {pid}) stood still"),
        What::Heap => format!("worker {worker} (pid {pid}) wrote its heap snapshot"),
    }
}

pub(super) fn progress(worker: WorkerId, bytes: u64) -> String {
    format!("worker {worker}: {} written", units::size(bytes))
}

/// Why the profile did not begin. `cause`: what is known to block the loop.
pub(super) fn blocked(waited: Duration, cause: Option<&str>) -> String {
    let seconds = waited.as_secs();
    match cause {
        Some(cause) => format!("its event loop has been blocked for more than {seconds} s by {cause}"),
        None => format!(
            "its event loop has not turned for {seconds} s, so the profile could not begin; --on-stall sees what \
             blocks it the next time"
        ),
    }
}

/// The innermost frame of a stack that is not Node's own, as V8 writes it, with a path as the user knows it.
pub(super) fn culprit(stack: &str, directory: &Path) -> Option<String> {
    let frames = || stack.lines().map(|line| line.trim_start().trim_start_matches("at "));
    let frame = frames().find(|frame| !frame.contains("node:")).or_else(|| frames().next())?;
    let known = format!("{}/", directory.display());
    Some(clean(&frame.replace("file://", "").replace(&known, ""))).filter(|frame| !frame.is_empty())
}

pub(super) fn failures(failed: &BTreeMap<WorkerId, String>) -> String {
    let each: Vec<String> =
        failed.iter().map(|(worker, reason)| format!("worker {worker}: {reason}")).collect();
    each.join("; ")
}

/// Any code of the worker may have said it.
pub(super) fn clean(reason: &str) -> String {
    reason.chars().filter(|letter| !letter.is_control()).take(REASON_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_blocks_where_it_is_known() {
        let waited = Duration::from_secs(5);
        assert!(blocked(waited, None).contains("has not turned for 5 s"));
        let cause = "formatRows (src/report.js:88)";
        assert!(
            blocked(waited, Some(cause))
                .ends_with("blocked for more than 5 s by formatRows (src/report.js:88)")
        );
    }

    #[test]
    fn whose_frame_it_is_counts() {
        let own = "    at existsSync (node:fs:10:5)\n    at wait (file:///srv/shop/app.js:3:60)\n    at main (/srv/shop/m.js:1:1)";
        let node = "    at readFileSync (node:fs:1:2)";
        for (stack, expected) in
            [(own, Some("wait (app.js:3:60)")), (node, Some("readFileSync (node:fs:1:2)")), ("", None)]
        {
            assert_eq!(culprit(stack, Path::new("/srv/shop")).as_deref(), expected);
        }
    }

    #[test]
    fn names_each_worker_that_failed() {
        let id = |index| WorkerId { index, incarnation: 1 };
        let failed = BTreeMap::from([(id(0), "busy".to_owned()), (id(2), "gone".to_owned())]);
        assert_eq!(failures(&failed), "worker 0: busy; worker 2: gone");
        assert_eq!(clean("a\u{1b}[2Jb\n"), "a[2Jb");
        assert_eq!(clean(&"x".repeat(1000)).len(), REASON_MAX);
    }
}
