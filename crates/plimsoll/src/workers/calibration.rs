//! Measures, once, what a promise costs more with the hooks that the app has: with the same Node on the same machine, and in
//! a process of its own, so that the app's loop pays nothing and its hooks are told nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::concerns::context::tax::{Class, Cost};
use crate::sys::{child, probe, room};

const SCRIPT: &str = include_str!("calibration.js");
/// On a busy machine it gets no more than a hundredth of a processor.
const PATIENCE: Duration = Duration::from_secs(60);
/// A second Node holds some 45 MB for a moment.
const ROOM: u64 = 128 << 20;

#[derive(Debug)]
pub(super) struct Calibration {
    node: PathBuf,
    class: Class,
}

impl Calibration {
    /// `None`: the process is not plainly Node, or there is no room for another one.
    pub(super) fn of(pid: u32, class: Class) -> Option<Self> {
        let node = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        // An executable with an app inside would start the app.
        let is_node = node.file_name().is_some_and(|name| name == "node" || name == "nodejs");
        (is_node && room::memory_left() > ROOM).then_some(Self { node, class })
    }

    /// Takes some hundred milliseconds.
    pub(super) fn run(&self) -> Option<Cost> {
        let measured = probe::answer(self.command(), PATIENCE);
        let ns = measured.and_then(|line| line.parse().ok());
        ns.and_then(Cost::measured).or_else(|| Cost::of_table(self.class))
    }

    fn command(&self) -> Command {
        let what = self.class.callbacks().map_or_else(|| "storage".to_owned(), |bits| bits.to_string());
        let mut command = Command::new(&self.node);
        command.args(["--no-warnings", "--eval", SCRIPT, &what]).current_dir(Path::new("/"));
        // What the app's Node loads before the app is none of it, and a frame would make the storage free.
        command.env_remove("NODE_OPTIONS").env_remove(plimsoll_wire::names::ENV_DIRECTORY);
        child::give_way(&mut command);
        command
    }
}

#[cfg(test)]
mod tests {
    use std::process::Child;

    use plimsoll_wire::tax::callback;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::*;
    use crate::concerns::context::tax::CostOrigin;

    /// Ends with the test.
    struct Running(Child);

    impl Running {
        fn start(program: &str, arguments: &[&str]) -> Self {
            Self(Command::new(program).args(arguments).spawn().unwrap())
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    fn cost(class: Class) -> f64 {
        let app = Running::start("node", &["-e", "setTimeout(() => {}, 60000)"]);
        // Until it has become Node.
        let calibration =
            std::iter::repeat_with(|| Calibration::of(app.0.id(), class)).flatten().next().unwrap();
        let cost = calibration.run().unwrap();
        assert_eq!(cost.origin, CostOrigin::Measured);
        cost.ns
    }

    #[test]
    fn what_promises_cost_more_is_measured_by_the_same_node() {
        let hook = cost(Class::Hook(callback::INIT));
        let destroy = cost(Class::Destroy(callback::INIT | callback::DESTROY));
        assert!(destroy > hook, "{destroy} {hook}");
    }

    /// It gives way to the app: on its processor it waits for most of the time, and that is not what a promise costs.
    #[test]
    fn a_busy_processor_makes_no_promise_dearer() {
        let all = sched_getaffinity(None).unwrap();
        let mut one = CpuSet::new();
        one.set((0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap());
        // Of this thread, and of what it starts.
        sched_setaffinity(None, &one).unwrap();
        let class = Class::Destroy(callback::INIT | callback::DESTROY);
        let alone = cost(class);
        let _busy = Running::start("nice", &["-n", "5", "sh", "-c", "while :; do :; done"]);
        let beside = cost(class);
        // By the clock on the wall it is twenty times as much, and a hundred beside an app that is not nice.
        assert!(beside < 8.0 * alone, "{beside} {alone}");
    }
}
