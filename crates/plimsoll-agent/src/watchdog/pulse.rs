//! Arithmetic of a loop's pulse: for how long it has been running without a turn.

/// What one look at the loop found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) at: u64,
    /// The loop's time of waiting so far.
    pub(super) idle_ns: u64,
    /// It waits at this very moment.
    pub(super) waits: bool,
    /// How often it has turned, and when it last did.
    pub(super) turns: u32,
    pub(super) turned_at: u64,
}

/// What follows from it and the looks before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beat {
    /// How long it has been running without a turn; a tick too little where it turned since the last look.
    pub(super) busy_ns: u64,
    /// A run without a turn that began and ended between two looks: a look that came late.
    pub(super) missed_ns: u64,
    /// It has turned or waited since the last look.
    pub(super) moved: bool,
}

#[derive(Debug)]
pub(super) struct Pulse {
    last: Look,
    busy_ns: u64,
}

impl Pulse {
    pub(super) fn new(first: Look) -> Self {
        Self { last: first, busy_ns: 0 }
    }

    pub(super) fn last_at(&self) -> u64 {
        self.last.at
    }

    pub(super) fn take(&mut self, look: Look) -> Beat {
        let idle_ns = look.idle_ns.saturating_sub(self.last.idle_ns);
        let ran_ns = look.at.saturating_sub(self.last.at).saturating_sub(idle_ns);
        let turns = look.turns.wrapping_sub(self.last.turns);
        let busy_ns = if look.waits {
            0
        } else if turns == 0 {
            // All that was not waiting since the last look is one run.
            if idle_ns > 0 { ran_ns } else { self.busy_ns + ran_ns }
        } else {
            look.at.saturating_sub(look.turned_at).saturating_sub(idle_ns)
        };
        let is_one_run = (1..=2).contains(&turns) || (turns == 0 && look.waits);
        let missed_ns = if is_one_run { (self.busy_ns + ran_ns).saturating_sub(busy_ns) } else { 0 };
        self.busy_ns = busy_ns;
        self.last = look;
        Beat { busy_ns, missed_ns, moved: turns != 0 || idle_ns > 0 }
    }
}
