//! Reads a `.cpuprofile`: V8's tree of calls, and which node each sample met.
//!
//! A sample stands for the time until the next one. The tree comes as lists of children by number; here each node
//! knows its parent, and parents stand before their children.

use std::collections::HashMap;

use serde::Deserialize;

use super::place::{Origin, Place};

/// More than ten minutes of the deepest app; a profile beyond is not one that we took.
pub const BYTES_MAX: usize = 256 * 1024 * 1024;
const NODES_MAX: usize = 500_000;
const SAMPLES_MAX: usize = 5_000_000;
/// V8 itself stops at 255 frames.
const DEPTH_MAX: u32 = 1000;
const NAME_MAX: usize = 200;
/// What one sample may stand for, an hour: the sums of all of them stay far from the end of their numbers.
const SAMPLE_US_MAX: u64 = 3_600_000_000;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the profile has {0} bytes, more than {BYTES_MAX}")]
    TooLong(usize),
    #[error("the profile is not what V8 writes: {0}")]
    Malformed(String),
    #[error("the profile has {0} {1}, more than {2}")]
    TooMany(usize, &'static str, usize),
    #[error("the tree of the profile is broken at node {0}: {1}")]
    Tree(u64, &'static str),
    #[error("the profile has {0} samples and {1} times")]
    Uneven(usize, usize),
}

/// The tree of calls with the time that was spent in each node itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Parents before children; the first is the root.
    pub nodes: Vec<Node>,
    pub functions: Vec<Function>,
    /// The samples: which node, and for how long.
    pub timeline: Vec<(usize, u64)>,
    pub duration_us: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub function: usize,
    pub parent: Option<usize>,
    pub self_us: u64,
    pub samples: u64,
    /// Lines in which samples were taken, and how many.
    pub lines: Vec<(u32, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub place: Place,
    /// 1-based; 0: none.
    pub line: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    nodes: Vec<RawNode>,
    start_time: f64,
    end_time: f64,
    #[serde(default)]
    samples: Vec<u64>,
    #[serde(default)]
    time_deltas: Vec<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNode {
    id: u64,
    call_frame: CallFrame,
    #[serde(default)]
    children: Vec<u64>,
    #[serde(default)]
    position_ticks: Vec<Ticks>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame {
    function_name: String,
    url: String,
    line_number: i64,
    #[serde(default)]
    column_number: i64,
}

#[derive(Deserialize)]
struct Ticks {
    line: u32,
    ticks: u64,
}

impl Profile {
    /// # Errors
    /// The bytes are no profile, or one that is too large.
    pub fn read(bytes: &[u8], origin: &Origin) -> Result<Self, Error> {
        if bytes.len() > BYTES_MAX {
            return Err(Error::TooLong(bytes.len()));
        }
        let raw: Raw = serde_json::from_slice(bytes).map_err(|error| Error::Malformed(error.to_string()))?;
        check_sizes(&raw)?;
        let (order, parents) = walk(&raw.nodes)?;
        let (functions, of_node) = functions(&raw.nodes, origin);
        let nodes = order.iter().zip(parents).map(|(&index, parent)| {
            let ticks = raw.nodes.get(index).map_or(&[][..], |node| &node.position_ticks);
            Node {
                function: of_node.get(index).copied().unwrap_or(0),
                parent,
                self_us: 0,
                samples: 0,
                lines: ticks.iter().map(|tick| (tick.line, tick.ticks)).collect(),
            }
        });
        let mut profile =
            Self { nodes: nodes.collect(), functions, timeline: timeline(&raw, &order)?, duration_us: 0 };
        profile.spend();
        Ok(profile)
    }

    /// Gives each node the time of its samples.
    fn spend(&mut self) {
        self.duration_us = 0;
        for node in &mut self.nodes {
            (node.self_us, node.samples) = (0, 0);
        }
        for &(at, time_us) in &self.timeline {
            let Some(node) = self.nodes.get_mut(at) else { continue };
            node.self_us += time_us;
            node.samples += 1;
            self.duration_us += time_us;
        }
    }

    /// The same with the samples of `range` alone. In which lines they were is not known.
    #[must_use]
    pub fn part(mut self, range: std::ops::Range<usize>) -> Self {
        self.timeline = self.timeline.get(range).unwrap_or_default().to_vec();
        self.nodes.iter_mut().for_each(|node| node.lines.clear());
        self.spend();
        self
    }

    /// The function of a node.
    #[must_use]
    pub fn function(&self, node: &Node) -> Option<&Function> {
        self.functions.get(node.function)
    }

    /// The node and its callers, innermost first.
    pub fn stack<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Node> {
        std::iter::successors(Some(node), |node| self.nodes.get(node.parent?))
    }
}

/// Which node each sample met, as a place in `order`, and for how long.
fn timeline(raw: &Raw, order: &[usize]) -> Result<Vec<(usize, u64)>, Error> {
    let ids = order.iter().enumerate().filter_map(|(at, &index)| Some((raw.nodes.get(index)?.id, at)));
    let places: HashMap<u64, usize> = ids.collect();
    // A sampling thread that was held up can give a time before the last one.
    let time = |delta: &i64| u64::try_from(*delta).unwrap_or(0).min(SAMPLE_US_MAX);
    let sampled: u64 = raw.time_deltas.iter().map(time).sum();
    let last = whole(raw.end_time - raw.start_time).saturating_sub(sampled).min(SAMPLE_US_MAX);
    let until_next = raw.time_deltas.iter().skip(1).map(time).chain([last]);
    let missing = |id| Error::Tree(id, "a sample names it, and it is not there");
    let timed = raw.samples.iter().zip(until_next);
    timed.map(|(&id, time_us)| Ok((*places.get(&id).ok_or(missing(id))?, time_us))).collect()
}

fn check_sizes(raw: &Raw) -> Result<(), Error> {
    if raw.nodes.len() > NODES_MAX {
        return Err(Error::TooMany(raw.nodes.len(), "nodes", NODES_MAX));
    }
    if raw.samples.len() > SAMPLES_MAX {
        return Err(Error::TooMany(raw.samples.len(), "samples", SAMPLES_MAX));
    }
    if raw.samples.len() != raw.time_deltas.len() {
        return Err(Error::Uneven(raw.samples.len(), raw.time_deltas.len()));
    }
    Ok(())
}

/// The nodes from the root down, as indices, and the place of each one's parent in that order.
fn walk(nodes: &[RawNode]) -> Result<(Vec<usize>, Vec<Option<usize>>), Error> {
    let mut by_id = HashMap::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        if by_id.insert(node.id, index).is_some() {
            return Err(Error::Tree(node.id, "two nodes have its number"));
        }
    }
    let (mut order, mut parents) = (Vec::with_capacity(nodes.len()), Vec::with_capacity(nodes.len()));
    let mut seen = vec![false; nodes.len()];
    let mut waiting = Vec::from_iter((!nodes.is_empty()).then_some((0_usize, None, 0_u32)));
    while let Some((index, parent, depth)) = waiting.pop() {
        let (Some(node), Some(seen)) = (nodes.get(index), seen.get_mut(index)) else { continue };
        if std::mem::replace(seen, true) {
            return Err(Error::Tree(node.id, "it is the child of two nodes"));
        }
        if depth > DEPTH_MAX {
            return Err(Error::Tree(node.id, "it is too deep"));
        }
        let own = order.len();
        order.push(index);
        parents.push(parent);
        for child in node.children.iter().rev() {
            let child = by_id.get(child).ok_or(Error::Tree(*child, "it is a child, and it is not there"))?;
            waiting.push((*child, Some(own), depth + 1));
        }
        if waiting.len() > nodes.len() {
            return Err(Error::Tree(node.id, "the tree has more children than nodes"));
        }
    }
    Ok((order, parents))
}

/// The functions, and which one each node is of.
fn functions(nodes: &[RawNode], origin: &Origin) -> (Vec<Function>, Vec<usize>) {
    let mut known: HashMap<(&str, &str, i64, i64), usize> = HashMap::new();
    let mut functions = Vec::new();
    let of_node = nodes.iter().map(|RawNode { call_frame: frame, .. }| {
        let key = (frame.function_name.as_str(), frame.url.as_str(), frame.line_number, frame.column_number);
        *known.entry(key).or_insert_with(|| {
            functions.push(Function {
                name: plain(&frame.function_name),
                place: origin.place(&frame.function_name, &plain(&frame.url)),
                line: u32::try_from(frame.line_number.saturating_add(1)).unwrap_or(0),
            });
            functions.len() - 1
        })
    });
    let of_node = of_node.collect();
    (functions, of_node)
}

/// Without what would act on a terminal, and not longer than a line.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(NAME_MAX).collect()
}

fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and NaN becomes 0"
    )]
    let whole = number as u64;
    whole
}
