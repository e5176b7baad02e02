//! What is said for a circuit breaker: what became of calls, and whether more may be made.

use crate::message::{Fields, write};

/// What became of the calls that ended since this was last said, of one process. A call that the app gave up is none of
/// them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub calls: u32,
    /// Of these: no answer, or 500 or more.
    pub failed: u32,
    /// Of the failed: no answer, or 502, 503 or 504.
    pub gateway: u32,
    /// Failed ones at the end, one after another.
    pub run: u32,
    /// Gateway failures at the end, one after another.
    pub gateway_run: u32,
    /// How long ago the last one ended that did not fail; nothing where all failed.
    pub ok_ago_ms: u32,
}

/// What became of the call that tried a broken service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    Answered,
    Failed,
    /// The app gave it up: nothing is known.
    Nothing,
}

/// Whether calls may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breaker {
    Closed,
    /// None for so long; then one may be tried by who asks. `why`: in words, for the error of a call that is refused.
    Open {
        for_ms: u32,
        why: String,
    },
    /// The one that asked may be made.
    Probe,
}

impl Outcomes {
    pub(super) fn read(field: &Fields<'_>, first: usize) -> Option<Self> {
        let number = |index| field.number(first + index);
        Some(Self {
            calls: number(0)?,
            failed: number(1)?,
            gateway: number(2)?,
            run: number(3)?,
            gateway_run: number(4)?,
            ok_ago_ms: number(5)?,
        })
    }

    pub(super) fn write(&self, kind: u8, origin: u32) -> Vec<u8> {
        let Self { calls, failed, gateway, run, gateway_run, ok_ago_ms } = self;
        let numbers = [origin, *calls, *failed, *gateway, *run, *gateway_run, *ok_ago_ms]
            .map(|number| number.to_string());
        write(kind, &numbers.each_ref().map(String::as_str))
    }
}

impl Probed {
    pub(super) fn read(word: &str) -> Option<Self> {
        [Self::Answered, Self::Failed, Self::Nothing].into_iter().find(|one| one.word() == word)
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Nothing => "nothing",
        }
    }
}

impl Breaker {
    pub(super) fn read(field: &Fields<'_>, first: usize) -> Option<Self> {
        match field.text(first)?.as_str() {
            "closed" => Some(Self::Closed),
            "open" => Some(Self::Open { for_ms: field.number(first + 1)?, why: field.text(first + 2)? }),
            "probe" => Some(Self::Probe),
            _ => None,
        }
    }

    pub(super) fn write(&self, kind: u8, origin: u32) -> Vec<u8> {
        let origin = origin.to_string();
        match self {
            Self::Closed => write(kind, &[&origin, "closed"]),
            Self::Open { for_ms, why } => write(kind, &[&origin, "open", &for_ms.to_string(), why]),
            Self::Probe => write(kind, &[&origin, "probe"]),
        }
    }
}
