//! What is told of the services that the app calls.

use std::ops::Deref;

use plimsoll_wire::calls::Figures;
use serde::{Deserialize, Serialize};

use super::Counted;

/// An origin that the app calls: what all workers saw together, since the start where it does not say "now".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downstream {
    /// `http://stock:8080`; `others`: those beyond the number that is told apart.
    pub origin: String,
    /// The limits are held; otherwise it is computed what they would do.
    pub enforced: bool,
    /// Calls in flight that are allowed, all workers together; where it is only observed and none is set, the limit
    /// that is computed with. 0: no limit.
    pub concurrency: u32,
    /// `concurrency` is what was found of the service, and changes.
    #[serde(default)]
    pub adaptive: bool,
    /// Calls per second; 0: no limit.
    pub rate: u32,
    /// Calls in flight for one request of a client; 0: no limit.
    pub per_request: u32,
    /// Of `concurrency`: what workers have been lent now.
    pub lent: u32,
    #[serde(flatten)]
    pub figures: Counted<Figures>,
    /// Calls by how long they took, by the bounds of the metrics; not cumulative.
    #[serde(default)]
    pub durations: Vec<u64>,
    /// Routes whose requests make parallel calls, the widest first.
    #[serde(default)]
    pub callers: Vec<Caller>,
    #[serde(default)]
    pub breaker: Option<Breaker>,
    /// The same in words, where there is something to tell.
    #[serde(default)]
    pub finding: Option<String>,
    /// What would help.
    #[serde(default)]
    pub hint: Option<String>,
}

/// A route, and the parallel calls of its requests to the origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub route: String,
    /// Requests that were told; in a burst that is a part of them.
    pub seen: u64,
    pub most: u32,
    /// What 99 of 100 of the latest stayed within.
    pub p99: u32,
}

/// The circuit breaker of an origin, one for all workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Calls are refused while it is open; otherwise it is computed when it would be.
    pub enforced: bool,
    /// `closed`, `open` or `half_open`.
    pub state: String,
    /// Times that it opened, or would have.
    pub opened: u64,
    /// Why it opened last.
    #[serde(default)]
    pub why: Option<String>,
    /// For how long it has not been closed; absent: it is.
    #[serde(default)]
    pub open_s: Option<u64>,
    /// Routes whose calls it has refused since it opened last, most first; empty where that is not known.
    #[serde(default)]
    pub routes: Vec<String>,
    /// Where only observed: calls that it would have refused, and those of them that failed anyway.
    pub would_refuse: u64,
    pub would_fail: u64,
}

impl Deref for Downstream {
    type Target = Figures;

    fn deref(&self) -> &Figures {
        &self.figures.0
    }
}

/// A service that is called, and held to a limit.
#[cfg(test)]
pub(crate) fn fixture() -> Downstream {
    Downstream {
        origin: "http://stock:8080".into(),
        enforced: true,
        concurrency: 10,
        lent: 7,
        figures: Counted(Figures {
            in_flight: 4,
            calls: 30,
            queued: 12,
            waited_ms: 36,
            refused: 2,
            would_queue: 5,
            took_ms: 600,
            ..Figures::default()
        }),
        durations: vec![30; 15],
        callers: vec![Caller { route: "GET /orders".into(), seen: 3, most: 50, p99: 38 }],
        breaker: Some(Breaker {
            enforced: true,
            state: "open".into(),
            opened: 2,
            why: Some("5 calls in a row failed".into()),
            open_s: Some(42),
            routes: vec!["GET /orders".into()],
            would_refuse: 0,
            would_fail: 0,
        }),
        ..Downstream::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_the_rest_under_their_own_names() {
        let told = serde_json::to_value(fixture()).unwrap();
        let found = (&told["origin"], &told["waited_ms"], &told["durations"][14], &told["errors"]);
        assert_eq!(found, (&"http://stock:8080".into(), &36.into(), &30.into(), &0.into()));
        let read = serde_json::from_value::<Downstream>(told).unwrap();
        assert_eq!(read, fixture());
    }

    #[test]
    fn an_older_instance_does_not_know_all() {
        let old = r#"{"origin":"http://a","enforced":false,"concurrency":1,"rate":0,"per_request":0,"lent":0,"calls":7}"#;
        let read: Downstream = serde_json::from_str(old).unwrap();
        assert_eq!((read.calls, read.errors, read.durations), (7, 0, Vec::new()));
    }
}
