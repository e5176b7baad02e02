//! Measures, once, what a promise costs more with the hooks that the app has: with the same Node on the same machine, and in
//! a process of its own, so that the app's loop pays nothing and its hooks are told nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::concerns::context::tax::{Class, Cost};
use crate::sys::{child, probe, room};

const SCRIPT: &str = include_str!("calibration.js");
const PATIENCE: Duration = Duration::from_secs(20);
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
    use plimsoll_wire::tax::callback;

    use super::*;
    use crate::concerns::context::tax::CostOrigin;

    #[test]
    fn what_promises_cost_more_is_measured_by_the_same_node() {
        let mut child = Command::new("node").args(["-e", "setTimeout(() => {}, 60000)"]).spawn().unwrap();
        let node = |class| loop {
            // Until it has become Node.
            if let Some(calibration) = Calibration::of(child.id(), class) {
                return calibration.run().unwrap();
            }
        };
        let bits = callback::INIT | callback::DESTROY;
        let (hook, destroy) = (node(Class::Hook(callback::INIT)), node(Class::Destroy(bits)));
        assert_eq!([hook.origin, destroy.origin], [CostOrigin::Measured; 2]);
        assert!(destroy.ns > hook.ns, "{destroy:?} {hook:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
