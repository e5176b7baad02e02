//! One part of the page: what breaks, who did how well, and why.

use std::fs;

use serde_json::Value;

use super::others;
use super::results::{self, Kept};
use crate::bench::report::Headline;
use crate::process::root;

pub(super) struct Section {
    /// As the folder below `bench/scenarios` and the picture are called.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What fails without anybody who looks after it.
    pub(super) failure: &'static str,
    pub(super) headlines: Vec<Headline>,
    pub(super) kept: Kept,
    /// Why figures are as they are, by hand.
    pub(super) notes: String,
}

impl Section {
    pub(super) fn picture(&self) -> String {
        format!("benchmarks/{}.svg", self.name)
    }
}

/// Where a section comes from.
struct Source {
    name: &'static str,
    title: &'static str,
    failure: &'static str,
    verb: &'static str,
    read: fn(&Value) -> Vec<Headline>,
}

const SOURCES: [Source; 13] = [
    Source {
        name: "ten_k",
        title: "10,000 requests a second",
        failure: "Is there room in the machine for what stands in front of the app, with everything of it switched on?",
        verb: "scenario-ten-k",
        read: headlines,
    },
    Source {
        name: "ceiling",
        title: "As many requests as go",
        failure: "How much traffic do two CPUs take before one of 100 requests waits for 20 ms?",
        verb: "scenario-ceiling",
        read: headlines,
    },
    Source {
        name: "cost",
        title: "What a request costs",
        failure: "A gateway in front and an agent inside are work for each request. How much, of all that serves it?",
        verb: "scenario-cost",
        read: headlines,
    },
    Source {
        name: "event_loop",
        title: "event_loop: fast requests beside blocking ones",
        failure: "2 MB of `JSON.parse`, `pbkdf2Sync` and a regular expression on what a user typed block every other request.",
        verb: "scenario-event-loop",
        read: headlines,
    },
    Source {
        name: "downstream",
        title: "downstream: a fan-out of 50 onto a service that stands 20",
        failure: "One request makes 50 calls at once, and the service behind falls over.",
        verb: "scenario-downstream",
        read: headlines,
    },
    Source {
        name: "pools",
        title: "pools: eight pools of 20 against 100 connections",
        failure: "All pools together want more connections than the database has.",
        verb: "scenario-pools",
        read: headlines,
    },
    Source {
        name: "context",
        title: "context: async_hooks or the gateway",
        failure: "A context that follows every promise taxes each of them.",
        verb: "scenario-context",
        read: headlines,
    },
    Source {
        name: "tracing",
        title: "context: traces by the gateway or in the app",
        failure: "Request-scoped context and an SDK inside tax every request.",
        verb: "context",
        read: others::context,
    },
    Source {
        name: "memory",
        title: "memory: a JSON list is parsed, mapped and made text again",
        failure: "Objects that live for one request keep the collector busy.",
        verb: "memory",
        read: others::memory,
    },
    Source {
        name: "shutdown",
        title: "shutdown: reload, SIGTERM and `kill -9` under load",
        failure: "Each deploy drops the requests that are in flight.",
        verb: "shutdown",
        read: others::shutdown,
    },
    Source {
        name: "logs",
        title: "logs: nobody reads, or the process exits after a burst",
        failure: "`console.log` under pressure blocks the loop, or loses what was said last.",
        verb: "logs",
        read: others::logs,
    },
    Source {
        name: "gateway",
        title: "The gateway alone, beside nginx and HAProxy",
        failure: "What a proxy costs in front of one process.",
        verb: "gateway",
        read: others::gateway,
    },
    Source {
        name: "large",
        title: "Large bodies and slow ends",
        failure: "A proxy that takes what it cannot pass on keeps an export of gigabytes in memory.",
        verb: "large",
        read: others::large,
    },
];

/// Of those that have results, in the order of the page.
pub(super) fn all() -> anyhow::Result<Vec<Section>> {
    let mut sections = Vec::new();
    for Source { name, title, failure, verb, read } in SOURCES {
        let Some(kept) = results::latest(verb)? else { continue };
        let headlines = read(kept.results());
        let notes = root().join("bench/scenarios").join(name).join("notes.md");
        let notes = fs::read_to_string(notes).unwrap_or_default();
        sections.push(Section { name, title, failure, headlines, kept, notes });
    }
    Ok(sections)
}

/// As the scenarios tell them.
fn headlines(results: &Value) -> Vec<Headline> {
    let told = results.get("headlines").cloned().unwrap_or_default();
    serde_json::from_value(told).unwrap_or_default()
}
