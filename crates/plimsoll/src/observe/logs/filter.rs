//! Which of the last lines are wanted, and how they are shown to a program.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::concerns::logs::record::{Level, Record, Shape};
use crate::observe::query::Query;

/// Of the control socket.
pub const PATH: &str = "/logs";

/// A regular expression takes linear time whatever it is; this bounds its memory.
const REGEX_BYTES_MAX: usize = 1024 * 1024;
const LINES_USUALLY: usize = 100;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Filter {
    worker: Option<u16>,
    level: Option<Level>,
    grep: Option<Regex>,
    request: Option<String>,
    /// The last so many that fit.
    pub(super) lines: usize,
    pub(super) is_followed: bool,
}

/// A line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Shown {
    /// So many lines are missing here: the reader was too slow.
    Lost { lost: u64 },
    Record {
        /// Absent for what the gateway and Plimsoll itself say.
        #[serde(skip_serializing_if = "Option::is_none")]
        worker: Option<u16>,
        pid: u32,
        stream: String,
        level: String,
        /// Nanoseconds since the epoch.
        at: u64,
        shape: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        trace: Option<String>,
        weight: u32,
        line: String,
    },
}

impl Filter {
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn read(query: &Query) -> Result<Self, String> {
        let mut filter = Self {
            worker: None,
            level: None,
            grep: None,
            request: None,
            lines: LINES_USUALLY,
            is_followed: false,
        };
        for (name, value) in query {
            let wrong = |what: &str| format!("{value:?} is no {what}");
            match name.as_str() {
                "worker" => filter.worker = Some(value.parse().map_err(|_| wrong("number of a worker"))?),
                "level" => filter.level = Some(level(value).ok_or_else(|| wrong("level"))?),
                "grep" => filter.grep = Some(regex(value)?),
                "request" => filter.request = Some(value.clone()),
                "lines" => filter.lines = value.parse().map_err(|_| wrong("number of lines"))?,
                "follow" => filter.is_followed = true,
                _ => return Err(format!("this build knows no {name} of the log")),
            }
        }
        Ok(filter)
    }

    pub(super) fn lets_pass(&self, record: &Record) -> bool {
        self.worker.is_none_or(|wanted| record.worker.is_some_and(|worker| worker.index == wanted))
            && self.level.is_none_or(|least| record.level >= least)
            && self.request.as_deref().is_none_or(|wanted| is_of(record, wanted))
            && self.grep.as_ref().is_none_or(|regex| regex.is_match(&record.line))
    }
}

/// By its request, or by its trace.
fn is_of(record: &Record, wanted: &str) -> bool {
    record.request() == Some(wanted.as_bytes())
        || record.trace.is_some_and(|trace| hexadecimal(&trace).eq_ignore_ascii_case(wanted))
}

fn level(word: &str) -> Option<Level> {
    Level::ALL.into_iter().find(|level| level.word() == word)
}

fn regex(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| {
        format!(
            "the regular expression cannot be used: {error}\n hint: write `\\` before what is meant as it is, as in `\\(`; \
             look-around and back-references are not known, as they may take for ever"
        )
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl From<&Record> for Shown {
    fn from(record: &Record) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shape = match record.shape {
            Shape::Json => "json",
            Shape::Logfmt => "logfmt",
            Shape::Plain => "plain",
        };
        Self::Record {
            worker: record.worker.map(|worker| worker.index),
            pid: record.pid,
            stream: record.stream.word().to_owned(),
            level: record.level.word().to_owned(),
            at: record.at,
            shape: shape.to_owned(),
            request: record.request().map(text),
            trace: record.trace.map(|trace| hexadecimal(&trace)),
            weight: record.weight,
            line: text(&record.line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::query;

    #[test]
    fn a_wrong_filter_is_named() {
        let table = [
            ("worker=x", "no number of a worker"),
            ("level=loud", "no level"),
            ("lines=-1", "no number of lines"),
            ("grep=%28", "cannot be used"),
            ("grep=%28x%7B1000%7D%29%7B1000%7D", "cannot be used"),
            ("colour=1", "knows no colour"),
        ];
        for (text, part) in table {
            let mistake = Filter::read(&query::parse(Some(text))).unwrap_err();
            assert!(mistake.contains(part), "{text}: {mistake}");
        }
        assert!(
            Filter::read(&query::parse(Some("follow&worker=1&level=warn&grep=a.b"))).unwrap().is_followed
        );
    }
}
