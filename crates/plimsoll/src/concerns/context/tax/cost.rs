//! What promises cost more, by what is asked for.

use plimsoll_wire::tax::callback;

/// What is paid for a promise, from nothing to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nothing, and nobody asks.
    None,
    /// `AsyncLocalStorage` where the engine carries the context: no promise costs more.
    Free,
    /// `AsyncLocalStorage` made of a hook: Node 22 and older.
    Storage,
    /// Hooks that are told of each promise: the bits of their callbacks.
    Hook(u8),
    /// Hooks that are told when each promise has been collected: some ten times as much.
    Destroy(u8),
}

/// What one more resource costs because of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    pub ns: f64,
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Measured on this machine, by a process of the same Node.
    Measured,
    /// That could not be done: as it was measured on another machine.
    Table,
}

/// `is_on`: promises are followed; `callbacks`: of the hooks that were seen to be enabled.
#[must_use]
pub fn class(is_on: bool, callbacks: u8, has_frame: bool) -> Class {
    match (is_on, callbacks) {
        (false, _) if has_frame => Class::Free,
        (false, _) => Class::None,
        // With the frame a storage is no hook: somebody asked before the agent was there to see.
        (true, 0) if has_frame => Class::Hook(callback::INIT),
        (true, 0) => Class::Storage,
        (true, bits) if bits & callback::DESTROY != 0 => Class::Destroy(bits),
        (true, bits) => Class::Hook(bits),
    }
}

impl Class {
    #[must_use]
    pub fn is_paid(self) -> bool {
        self > Self::Free
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Free => "free",
            Self::Storage => "storage",
            Self::Hook(_) => "hook",
            Self::Destroy(_) => "destroy",
        }
    }

    /// The bits that a calibration is made with; `None`: with a storage.
    #[must_use]
    pub fn callbacks(self) -> Option<u8> {
        match self {
            Self::Hook(bits) | Self::Destroy(bits) => Some(bits),
            Self::None | Self::Free | Self::Storage => None,
        }
    }
}

impl Cost {
    /// A measurement; what cannot be true is none.
    #[must_use]
    pub fn measured(ns: f64) -> Option<Self> {
        (0.0..100_000.0).contains(&ns).then_some(Self { ns, origin: Origin::Measured })
    }

    /// From a machine of 2025, half of what an `await` of an async function costs more there, as that makes two
    /// resources: Node 18 to 26 are alike within a fifth.
    #[must_use]
    pub fn of_table(class: Class) -> Option<Self> {
        let ns = match class {
            Class::None | Class::Free => return None,
            Class::Storage => 70.0,
            Class::Hook(_) => 65.0,
            Class::Destroy(_) => 500.0,
        };
        Some(Self { ns, origin: Origin::Table })
    }
}
