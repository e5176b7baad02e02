//! What a tick is to the page: as much of the status as a page can show, and how many rows were left out.

use std::sync::Arc;

use serde::Serialize;

use crate::observe::history::{Sample, Tick};
use crate::observe::status::Status;

/// Rows of a table. An instance may have more; `/status` has them all.
const ROWS_MAX: usize = 128;
/// Incidents and their groups: each is a paragraph.
const INCIDENTS_MAX: usize = 30;

/// Rows that are not shown, by table.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Left {
    workers: usize,
    downstreams: usize,
    pools: usize,
    groups: usize,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<&'a Sample>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<&'a Sample>,
    status: &'a Status,
    left: Left,
}

#[derive(Serialize)]
struct Past<'a> {
    long: &'a [Sample],
    short: &'a [Sample],
}

pub(super) fn history((long, short): &(Vec<Sample>, Vec<Sample>)) -> Vec<u8> {
    event("history", &Past { long, short })
}

/// The first that is shown, before anything is measured.
pub(super) fn status(mut status: Status) -> Vec<u8> {
    let left = trim(&mut status);
    event("status", &Shown { sample: None, long: None, status: &status, left })
}

pub(super) fn tick(tick: &Arc<Tick>) -> Vec<u8> {
    let mut status = tick.status.clone();
    let left = trim(&mut status);
    event("tick", &Shown { sample: Some(&tick.sample), long: tick.long.as_ref(), status: &status, left })
}

fn trim(status: &mut Status) -> Left {
    let incidents = &mut status.incidents;
    cut(&mut incidents.recent, INCIDENTS_MAX);
    cut(&mut status.leaving, ROWS_MAX);
    cut(&mut status.pool_queues, INCIDENTS_MAX);
    Left {
        workers: cut(&mut status.workers, ROWS_MAX),
        downstreams: cut(&mut status.downstreams, ROWS_MAX),
        pools: cut(&mut status.pools, ROWS_MAX),
        groups: cut(&mut incidents.groups, INCIDENTS_MAX),
    }
}

fn cut<T>(rows: &mut Vec<T>, most: usize) -> usize {
    let left = rows.len().saturating_sub(most);
    rows.truncate(most);
    left
}

/// JSON has no line breaks, so one line of data is enough.
fn event(name: &str, data: &impl Serialize) -> Vec<u8> {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    // Strings and numbers alone: there is nothing in it that JSON could not say.
    let _ = serde_json::to_writer(&mut text, data);
    text.extend_from_slice(b"\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::{Worker, fixture};

    #[test]
    fn a_large_fleet_is_cut_and_it_is_said_by_how_much() {
        let mut large = fixture();
        let worker = large.workers[0].clone();
        large.workers = (0..200).map(|id| Worker { id, ..worker.clone() }).collect();
        let text = String::from_utf8(status(large)).unwrap();
        let data =
            text.strip_prefix("event: status\ndata: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
        let told: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(told["left"]["workers"], 72);
        assert_eq!(told["status"]["workers"].as_array().unwrap().len(), 128);
        assert!(told.get("sample").is_none());
    }

    #[test]
    fn a_name_cannot_end_the_event() {
        let text = status(Status { name: "a\n\nevent: tick\r\ndata: {}".into(), ..fixture() });
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 3);
        assert!(!text.contains(&b'\r'));
    }
}
