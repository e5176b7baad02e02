//! The profile in the form of `pprof`: protocol buffers, as `go tool pprof` and many services read them.
//!
//! The messages are written out here with the field numbers of `profile.proto`; there is no protoc in the build.

use std::collections::HashMap;

use prost::Message;

use super::place::{Place, State};
use super::read::Profile;

#[derive(Clone, PartialEq, Message)]
pub struct Pprof {
    #[prost(message, repeated, tag = "1")]
    pub sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    pub duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub period: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct ValueType {
    #[prost(int64, tag = "1")]
    pub r#type: i64,
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    /// Innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Location {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Line {
    #[prost(uint64, tag = "1")]
    pub function_id: u64,
    #[prost(int64, tag = "2")]
    pub line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Function {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(int64, tag = "2")]
    pub name: i64,
    #[prost(int64, tag = "3")]
    pub system_name: i64,
    #[prost(int64, tag = "4")]
    pub filename: i64,
    #[prost(int64, tag = "5")]
    pub start_line: i64,
}

/// The message, not yet compressed. Time in which the loop waited is left out, as it is in a CPU profile of Go.
#[must_use]
pub fn pprof(profile: &Profile) -> Vec<u8> {
    let mut strings = Strings::default();
    strings.number("");
    let samples = ValueType { r#type: strings.number("samples"), unit: strings.number("count") };
    let cpu = ValueType { r#type: strings.number("cpu"), unit: strings.number("nanoseconds") };
    let duration_nanos = signed(profile.duration_us.saturating_mul(1000));
    let counted = signed(u64::try_from(profile.timeline.len()).unwrap_or(u64::MAX)).max(1);
    let (function, location) = tables(profile, &mut strings);
    let message = Pprof {
        sample_type: vec![samples, cpu],
        sample: stacks(profile),
        location,
        function,
        string_table: strings.list,
        duration_nanos,
        period_type: Some(cpu),
        period: duration_nanos / counted,
    };
    message.encode_to_vec()
}

/// One function and one location for each of ours; numbers begin with 1.
fn tables(profile: &Profile, strings: &mut Strings) -> (Vec<Function>, Vec<Location>) {
    let numbered = (1..).zip(&profile.functions);
    numbered
        .map(|(id, function)| {
            let name = strings.number(if function.name.is_empty() { "(anonymous)" } else { &function.name });
            let (filename, start_line) =
                (strings.number(&function.place.describe(0)), i64::from(function.line));
            let line = Line { function_id: id, line: start_line };
            (
                Function { id, name, system_name: name, filename, start_line },
                Location { id, line: vec![line] },
            )
        })
        .unzip()
}

fn stacks(profile: &Profile) -> Vec<Sample> {
    let state = |node| match profile.function(node).map(|function| &function.place) {
        Some(Place::State(state)) => Some(*state),
        _ => None,
    };
    let spent = profile.nodes.iter().filter(|node| node.samples > 0 && state(node) != Some(State::Idle));
    let sample = spent.map(|node| {
        let stack = profile.stack(node).filter(|node| state(node) != Some(State::Root));
        Sample {
            location_id: stack.filter_map(|node| u64::try_from(node.function + 1).ok()).collect(),
            value: vec![signed(node.samples), signed(node.self_us.saturating_mul(1000))],
        }
    });
    sample.filter(|sample| !sample.location_id.is_empty()).collect()
}

/// Each text once, by number.
#[derive(Default)]
struct Strings {
    list: Vec<String>,
    numbers: HashMap<String, i64>,
}

impl Strings {
    fn number(&mut self, text: &str) -> i64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = i64::try_from(self.list.len()).unwrap_or(i64::MAX);
        self.list.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
