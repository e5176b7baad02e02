//! What an app pays for knowing, after each `await`, for whom it works: who has asked for it, and how often it is paid.

use crate::message::{Fields, write};

/// Longest stack of an [`Author`](FromAgent::Author), in bytes.
pub const STACK_MAX: usize = 4 * 1024;
/// Authors that one process tells.
pub const AUTHORS_MAX: usize = 8;

/// Bits: what a hook of `async_hooks` is called for.
pub mod callback {
    pub const INIT: u8 = 1;
    pub const BEFORE: u8 = 2;
    pub const AFTER: u8 = 4;
    pub const DESTROY: u8 = 8;
    pub const PROMISE_RESOLVE: u8 = 16;
    /// Not for promises.
    pub const NO_PROMISES: u8 = 32;
}

/// How somebody asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// `AsyncLocalStorage.run`.
    Run,
    /// `AsyncLocalStorage.enterWith`.
    EnterWith,
    /// `async_hooks.createHook().enable()`.
    Hook,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromAgent {
    /// Somebody has asked for it for the first time. `callbacks`: see [`callback`], of a hook.
    Author { what: What, callbacks: u8, stack: String },
    /// Told once a second while it is paid and requests come, and when that has changed.
    Rate {
        /// Promises are followed by hooks.
        is_on: bool,
        /// Those of all hooks that are enabled and follow promises, as far as they were seen.
        callbacks: u8,
        /// The engine itself carries the context of `AsyncLocalStorage`, for nothing.
        has_frame: bool,
        /// Promises, ticks, timers and handles that were given a number since the process began. Without hooks promises
        /// get none.
        resources: u64,
        /// For how long the loop has not waited.
        active_us: u64,
    },
}

pub(crate) const TAX_AUTHOR: u8 = 40;
pub(crate) const TAX_RATE: u8 = 41;

impl FromAgent {
    pub(crate) fn parse(kind: u8, field: &Fields<'_>) -> Option<Self> {
        match kind {
            TAX_AUTHOR => Some(Self::Author {
                what: match field.text(0)?.as_str() {
                    "run" => What::Run,
                    "enterWith" => What::EnterWith,
                    "hook" => What::Hook,
                    _ => return None,
                },
                callbacks: field.number(1)?,
                stack: field.text(2).filter(|stack| stack.len() <= STACK_MAX)?,
            }),
            TAX_RATE => Some(Self::Rate {
                is_on: field.number::<u8>(0)? != 0,
                callbacks: field.number(1)?,
                has_frame: field.number::<u8>(2)? != 0,
                resources: field.number(3)?,
                active_us: field.number(4)?,
            }),
            _ => None,
        }
    }

    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Author { what, callbacks, stack } => {
                let what = match what {
                    What::Run => "run",
                    What::EnterWith => "enterWith",
                    What::Hook => "hook",
                };
                write(TAX_AUTHOR, &[what, &callbacks.to_string(), stack])
            }
            Self::Rate { is_on, callbacks, has_frame, resources, active_us } => {
                let numbers =
                    [u64::from(*is_on), u64::from(*callbacks), u64::from(*has_frame), *resources, *active_us];
                let words = numbers.map(|number| number.to_string());
                write(TAX_RATE, &words.each_ref().map(String::as_str))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::message;

    #[test]
    fn what_is_said_reads_back_as_itself_and_nothing_else_is_read() {
        let author = |what, stack: String| FromAgent::Author { what, callbacks: 9, stack };
        let rate =
            FromAgent::Rate { is_on: true, callbacks: 9, has_frame: false, resources: 1 << 40, active_us: 7 };
        for said in [
            author(What::Run, String::new()),
            author(What::EnterWith, "    at a (b.js:1:2)".to_owned()),
            author(What::Hook, "x".repeat(STACK_MAX)),
            rate,
        ] {
            let bytes = said.write();
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert_eq!(message::FromAgent::read(&frame), Ok(message::FromAgent::Tax(said)));
        }
        let long = "x".repeat(STACK_MAX + 1);
        for (kind, fields) in [
            (TAX_AUTHOR, vec!["walk", "0", ""]),
            (TAX_AUTHOR, vec!["run", "256", ""]),
            (TAX_AUTHOR, vec!["run", "0", &long]),
            (TAX_RATE, vec!["1", "0", "0", "-1", "0"]),
            (TAX_RATE, vec!["1", "0", "0", "1"]),
        ] {
            let bytes = write(kind, &fields);
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert!(message::FromAgent::read(&frame).is_err(), "{kind} {fields:?}");
        }
    }
}
