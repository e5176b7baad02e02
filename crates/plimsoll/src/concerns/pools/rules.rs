//! What holds for the pools that lead to a server.

use plimsoll_wire::pools::Rule;

use crate::config::{PoolLimits, Pools, PoolsMode};

#[derive(Debug, Clone)]
pub struct Rules {
    named: Vec<(String, PoolLimits)>,
    default: PoolLimits,
    /// Processes above the number of workers during a reload.
    surge: u32,
}

impl Rules {
    #[must_use]
    pub fn new(settings: &Pools, surge: usize) -> Self {
        let mut named = settings.named.clone();
        // A name with a port before one without.
        named.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self { named, default: settings.default, surge: u32::try_from(surge).unwrap_or(u32::MAX) }
    }

    /// Whether pools are to be seen at all.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.all().any(|limits| limits.mode != PoolsMode::Off)
    }

    /// Whether some pools may be re-sized from their first connection on.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.all().any(|limits| limits.mode == PoolsMode::Enforce)
    }

    #[must_use]
    pub fn surge(&self) -> u32 {
        self.surge
    }

    /// `server` as the agent writes it: a host, or the directory of a socket, and a port.
    #[must_use]
    pub fn limits_of(&self, server: &str) -> PoolLimits {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let fits = |name: &str| name.eq_ignore_ascii_case(server) || name.eq_ignore_ascii_case(host);
        self.named.iter().find(|(name, _)| fits(name)).map_or(self.default, |(_, limits)| *limits)
    }

    fn all(&self) -> impl Iterator<Item = &PoolLimits> {
        self.named.iter().map(|(_, limits)| limits).chain([&self.default])
    }
}

/// As the agent is told. `enforce`: there is something to share out.
pub(super) fn rule(limits: &PoolLimits, enforce: bool) -> Rule {
    let ms = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let is_off = limits.mode == PoolsMode::Off;
    Rule {
        enforce: enforce && limits.mode == PoolsMode::Enforce,
        may_grow: limits.allow_growth,
        inspect: limits.inspect && !is_off,
        leak_after_ms: if is_off { 0 } else { ms(limits.leak_after) },
        wait_timeout_ms: limits.wait_timeout.filter(|_| !is_off).map_or(0, ms),
    }
}
