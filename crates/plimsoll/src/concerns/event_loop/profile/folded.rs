//! Folded stacks, the input of flame graphs: `root;caller;callee MICROSECONDS`.

use std::collections::BTreeMap;

use super::place::{Place, State};
use super::read::{Function, Profile};

/// Bytes of all lines together: a tree of many deep branches would repeat its stems without end.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// One line per stack in which time was spent, without the time in which the loop waited. Where that would be too
/// much, the stacks with the least time are left out; how many is the second value.
#[must_use]
pub fn folded(profile: &Profile) -> (Vec<String>, usize) {
    let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
    let mut nodes: Vec<_> = profile.nodes.iter().filter(|node| node.self_us > 0).collect();
    nodes.sort_by_key(|node| std::cmp::Reverse(node.self_us));
    let (mut bytes, mut left_out) = (0, 0);
    for node in nodes {
        let mut frames: Vec<String> = profile
            .stack(node)
            .filter_map(|node| profile.function(node))
            .filter(|function| function.place != Place::State(State::Root))
            .map(frame)
            .collect();
        if frames.is_empty() || is_idle(profile.function(node)) {
            continue;
        }
        frames.reverse();
        let stack = frames.join(";");
        bytes += stack.len();
        if bytes > BYTES_MAX {
            left_out += 1;
            continue;
        }
        *stacks.entry(stack).or_default() += node.self_us;
    }
    (stacks.into_iter().map(|(stack, time_us)| format!("{stack} {time_us}")).collect(), left_out)
}

fn is_idle(function: Option<&Function>) -> bool {
    function.is_some_and(|function| function.place == Place::State(State::Idle))
}

/// A frame must not hold what separates frames.
fn frame(function: &Function) -> String {
    let name = if function.name.is_empty() { "(anonymous)" } else { &function.name };
    let place = function.place.describe(function.line);
    let text = if place.is_empty() { name.to_owned() } else { format!("{name} ({place})") };
    text.replace(';', ",")
}
