//! The time in which the loop stood still: the longest stretch that one callback held it.
//!
//! A profile does not say where a turn of the loop ends. Two things show it: the loop waits, or what runs begins with
//! another outermost function. Collecting garbage, and native code without a function, can be part of either.

use std::ops::Range;

use super::place::{Place, State};
use super::read::Profile;

/// The samples of the longest stretch; empty where nothing ran.
#[must_use]
pub fn longest(profile: &Profile) -> Range<usize> {
    let outermost = outermost(profile);
    let (mut longest, mut longest_us) = (0..0, 0);
    let (mut start, mut time_us, mut held) = (0, 0, None);
    for (at, &(node, sample_us)) in profile.timeline.iter().enumerate() {
        let runs = outermost.get(node).copied().unwrap_or(Runs::Nothing);
        let goes_on = match (runs, held) {
            (Runs::Nothing, _) => false,
            (Runs::Either, _) | (_, None) => true,
            (Runs::Callback(one), Some(other)) => one == other,
        };
        if !goes_on {
            (start, time_us, held) = (at, 0, None);
        }
        match runs {
            Runs::Nothing => {
                start = at + 1;
                continue;
            }
            Runs::Either => {}
            Runs::Callback(one) => held = Some(one),
        }
        time_us += sample_us;
        if held.is_some() && time_us > longest_us {
            (longest, longest_us) = (start..at + 1, time_us);
        }
    }
    longest
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    Nothing,
    Either,
    /// By its node below the root.
    Callback(usize),
}

/// What runs outermost where a node runs; parents stand before their children.
fn outermost(profile: &Profile) -> Vec<Runs> {
    let mut all: Vec<Runs> = Vec::with_capacity(profile.nodes.len());
    for (at, node) in profile.nodes.iter().enumerate() {
        let state = match profile.function(node).map(|function| &function.place) {
            Some(Place::State(state)) => Some(*state),
            _ => None,
        };
        let above = node.parent.and_then(|parent| all.get(parent).copied());
        all.push(match (state, above) {
            (Some(State::Idle | State::Root), _) => Runs::Nothing,
            (Some(State::Program | State::GarbageCollector), _) => Runs::Either,
            (None, Some(Runs::Callback(callback))) => Runs::Callback(callback),
            (None, _) => Runs::Callback(at),
        });
    }
    all
}
