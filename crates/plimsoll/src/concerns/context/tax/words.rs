//! The tax in the user's words, and what helps.

use plimsoll_wire::tax::{What, callback};

use super::{Author, Class, Tax, cost};

/// What helps most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fix {
    Nothing,
    /// A flag of Node 22: `context.async_context_frame`.
    ContextFrame,
    /// Node 24 carries the context of `AsyncLocalStorage` for nothing.
    Upgrade,
    RemoveHook,
    RemoveDestroy,
}

impl Fix {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::ContextFrame => "async_context_frame",
            Self::Upgrade => "upgrade",
            Self::RemoveHook => "remove_hook",
            Self::RemoveDestroy => "remove_destroy",
        }
    }
}

/// `v22.7.1`.
fn version(node: &str) -> Option<(u32, u32)> {
    let mut numbers = node.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Whether this Node knows `--experimental-async-context-frame`, and does not have it by itself.
#[must_use]
pub fn has_frame_flag((major, minor): (u32, u32)) -> bool {
    matches!((major, minor), (22, 7..) | (23, _))
}

pub(super) fn fix(class: Class, node: &str) -> Fix {
    match class {
        Class::None | Class::Free => Fix::Nothing,
        Class::Storage if version(node).is_some_and(has_frame_flag) => Fix::ContextFrame,
        Class::Storage => Fix::Upgrade,
        Class::Hook(_) => Fix::RemoveHook,
        Class::Destroy(_) => Fix::RemoveDestroy,
    }
}

pub(super) fn hint(tax: &Tax) -> Option<String> {
    let who = tax.authors.first().map_or_else(|| "it".to_owned(), whose);
    Some(match tax.fix {
        Fix::Nothing => return None,
        Fix::ContextFrame => "set context.async_context_frame = true and test the app with it, or upgrade to Node 24, \
                              which has it by itself: then an await costs no more with AsyncLocalStorage than without"
            .to_owned(),
        Fix::Upgrade => "upgrade to Node 24, where AsyncLocalStorage makes no promise dearer".to_owned(),
        Fix::RemoveHook => format!("remove the hook of {who}, or have it done with AsyncLocalStorage on Node 24"),
        Fix::RemoveDestroy => format!(
            "remove the hook of {who}: with a destroy callback each promise is watched until it is collected; what only \
             needs context can use AsyncLocalStorage"
        ),
    })
}

fn whose(author: &Author) -> String {
    match (&author.package, author.at.is_empty()) {
        (Some(package), _) => format!("the package {package}"),
        (None, false) => author.at.clone(),
        (None, true) => "the app".to_owned(),
    }
}

pub(super) fn sentence(tax: &Tax) -> String {
    let who = tax.authors.first().map_or_else(
        || "a hook of async_hooks, enabled before Plimsoll's agent was loaded,".to_owned(),
        subject,
    );
    let Tax { class, node, .. } = tax;
    if !class.is_paid() {
        return match class {
            Class::Free => format!("{who} costs no promise anything on Node {node}"),
            _ => format!("{who} is not paid for at this moment"),
        };
    }
    let each = match tax.cost {
        Some(cost) if cost.origin == cost::Origin::Measured => {
            format!("makes each promise {:.0} ns dearer here", cost.ns)
        }
        Some(cost) => format!("makes each promise some {:.0} ns dearer", cost.ns),
        None => "makes each promise dearer".to_owned(),
    };
    let share = match tax.share_per_mille {
        Some(0) | None => String::new(),
        Some(share) => {
            format!("; that is at least {}.{} % of the loops' time", share / 10, share % 10)
        }
    };
    let rate = match tax.resources_per_s {
        0 => String::new(),
        many => format!(", of which there are {many} a second{share}"),
    };
    format!("{who} {each} (Node {node}){rate}")
}

/// `AsyncLocalStorage.run of the package cls-hooked (cls-hooked/context.js:12, from src/server.js:3)`
fn subject(author: &Author) -> String {
    let what = match author.what {
        What::Run => "AsyncLocalStorage.run".to_owned(),
        What::EnterWith => "AsyncLocalStorage.enterWith".to_owned(),
        What::Hook if author.callbacks & callback::DESTROY != 0 => {
            "a hook with a destroy callback".to_owned()
        }
        What::Hook => "a hook of async_hooks".to_owned(),
    };
    let from = author.from.as_ref().map_or_else(String::new, |from| format!(", from {from}"));
    match &author.package {
        _ if author.at.is_empty() => what,
        Some(package) => format!("{what} of the package {package} ({}{from})", author.at),
        None => format!("{what} at {}", author.at),
    }
}
