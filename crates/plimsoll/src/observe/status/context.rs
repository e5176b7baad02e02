//! What is said of async context.

use plimsoll_wire::tax::{What, callback};
use serde::{Deserialize, Serialize};

use crate::concerns::context::tax;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// What promises cost more because somebody follows them; absent: nobody does.
    #[serde(default)]
    pub tax: Option<Tax>,
}

/// An estimate, and a low one: what the app's own hooks do is not in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tax {
    /// `v22.12.0`.
    pub node: String,
    /// `none`, `free` (`AsyncLocalStorage`, carried by the engine), `storage` (`AsyncLocalStorage`, made of a hook), `hook`,
    /// `destroy` (hooks with a destroy callback).
    pub class: String,
    /// Of the time that all loops together did not wait; absent: not known yet, or nothing is paid at this moment.
    pub share_per_mille: Option<u32>,
    /// Promises, ticks, timers and handles that are told to hooks, all workers together.
    pub resources_per_s: u64,
    /// What each of them costs more.
    pub cost_ns: Option<f64>,
    /// The cost was measured on this machine with this Node; otherwise it is known from another one.
    pub is_measured: bool,
    /// `nothing`, `async_context_frame` (a setting of Plimsoll, for Node 22), `upgrade` (to Node 24), `remove_hook`,
    /// `remove_destroy`.
    pub fix: String,
    /// The one who costs most is the first.
    pub authors: Vec<Author>,
    pub authors_forgotten: u64,
    /// All of it in one sentence, and what to do.
    pub text: String,
    pub hint: Option<String>,
}

/// Who asked first, in one place of the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// `run` and `enter_with` of `AsyncLocalStorage`, or `hook`.
    pub what: String,
    /// What a hook is called for: `init`, `before`, `after`, `destroy`, `promise_resolve`.
    #[serde(default)]
    pub callbacks: Vec<String>,
    /// Absent: the app itself.
    pub package: Option<String>,
    /// `src/context.js:12`, `cls-hooked/context.js:250`; empty: not known.
    pub at: String,
    pub function: String,
    /// Where the app's own code led to the package.
    pub from: Option<String>,
    pub workers: u32,
}

impl Tax {
    #[must_use]
    pub fn new(seen: &tax::Tax) -> Self {
        Self {
            node: seen.node.clone(),
            class: seen.class.as_str().to_owned(),
            share_per_mille: seen.share_per_mille,
            resources_per_s: seen.resources_per_s,
            cost_ns: seen.cost.map(|cost| (cost.ns * 10.0).round() / 10.0),
            is_measured: seen.is_measured(),
            fix: seen.fix.as_str().to_owned(),
            authors: seen.authors.iter().map(Author::new).collect(),
            authors_forgotten: seen.authors_forgotten,
            text: seen.text.clone(),
            hint: seen.hint.clone(),
        }
    }
}

impl Author {
    fn new(seen: &tax::Author) -> Self {
        let what = match seen.what {
            What::Run => "run",
            What::EnterWith => "enter_with",
            What::Hook => "hook",
        };
        Self {
            what: what.to_owned(),
            callbacks: names(seen.callbacks),
            package: seen.package.clone(),
            at: seen.at.clone(),
            function: seen.function.clone(),
            from: seen.from.clone(),
            workers: seen.workers(),
        }
    }
}

fn names(callbacks: u8) -> Vec<String> {
    let all = [
        (callback::INIT, "init"),
        (callback::BEFORE, "before"),
        (callback::AFTER, "after"),
        (callback::DESTROY, "destroy"),
        (callback::PROMISE_RESOLVE, "promise_resolve"),
    ];
    let called = all.into_iter().filter(|(bit, _)| callbacks & bit != 0);
    called.map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
pub(crate) fn fixture() -> Context {
    let author = Author {
        what: "hook".into(),
        callbacks: names(callback::INIT | callback::DESTROY),
        package: Some("cls-x".into()),
        at: "cls-x/a.js:12".into(),
        function: "enable".into(),
        from: Some("server.js:3".into()),
        workers: 1,
    };
    Context {
        tax: Some(Tax {
            node: "v22.12.0".into(),
            class: "destroy".into(),
            share_per_mille: Some(83),
            resources_per_s: 100_000,
            cost_ns: Some(512.5),
            is_measured: true,
            fix: "remove_destroy".into(),
            authors: vec![author],
            authors_forgotten: 0,
            text: "a hook with a destroy callback of the package cls-x makes each promise dearer".into(),
            hint: Some("remove the hook".into()),
        }),
    }
}
