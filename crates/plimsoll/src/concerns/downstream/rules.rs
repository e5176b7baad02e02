//! What holds for an origin: the most exact of the names in the settings that it fits, else the default.

use plimsoll_wire::calls::{Limit, OTHERS, Watched};

use crate::config::{BreakerMode, BreakerRules, Concurrency, Downstream, DownstreamLimits, DownstreamMode};

/// The limit whose effect is computed where none was set.
const CANDIDATE: u32 = 10;

/// The settings, most exact name first.
#[derive(Debug, Clone)]
pub struct Rules {
    named: Vec<(Pattern, DownstreamLimits)>,
    default: DownstreamLimits,
}

/// `https://api.example.com:8443`, `api.example.com:8443`, `api.example.com` or `*.example.com`.
#[derive(Debug, Clone)]
struct Pattern {
    scheme: Option<String>,
    /// Without the star, with its dot.
    host: String,
    any_below: bool,
    port: Option<String>,
}

impl Rules {
    #[must_use]
    pub fn new(settings: &Downstream) -> Self {
        let mut named: Vec<_> = settings
            .named
            .iter()
            .map(|(name, limits)| (Pattern::read(name), *limits))
            .filter(|(_, limits)| limits.mode != DownstreamMode::Off || !limits.is_unlimited())
            .collect();
        named.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.exactness()));
        Self { named, default: settings.default }
    }

    /// Whether calls are to be seen at all.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.all().any(|limits| limits.mode != DownstreamMode::Off)
    }

    /// Whether some calls may have to wait.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.all().any(|limits| limits.mode == DownstreamMode::Enforce)
    }

    fn all(&self) -> impl Iterator<Item = &DownstreamLimits> {
        self.named.iter().map(|(_, limits)| limits).chain([&self.default])
    }

    /// What holds for `origin`, as its agent writes it: `http://stock:8080`.
    #[must_use]
    pub fn limit_of(&self, origin: &str) -> Limit {
        if origin == OTHERS { unlimited(Watched::Off) } else { limit(&self.limits_of(origin)) }
    }

    /// By which rules its breaker opens, where it has one.
    pub(super) fn breaker_of(&self, origin: &str) -> BreakerRules {
        self.limits_of(origin).breaker
    }

    fn limits_of(&self, origin: &str) -> DownstreamLimits {
        let fits = self.named.iter().find(|(pattern, _)| pattern.fits(origin));
        fits.map_or(self.default, |(_, limits)| *limits)
    }
}

fn unlimited(breaker: Watched) -> Limit {
    Limit {
        enforce: false,
        concurrency: 0,
        rate: 0,
        burst: 0,
        queue: 0,
        queue_timeout_ms: 0,
        per_request: 0,
        adaptive: false,
        breaker,
        retry_percent: 0,
        retry_least: 0,
    }
}

fn watched(limits: &DownstreamLimits) -> Watched {
    match (limits.mode, limits.breaker.mode) {
        (DownstreamMode::Off, _) | (_, BreakerMode::Off) => Watched::Off,
        (DownstreamMode::Enforce, BreakerMode::Enforce) => Watched::Enforce,
        _ => Watched::Observe,
    }
}

fn limit(limits: &DownstreamLimits) -> Limit {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let some = |count: Option<usize>| count.map_or(0, number);
    let rate = limits.rate.map_or(0, |rate| rate.per_second);
    let set = Limit {
        enforce: limits.mode == DownstreamMode::Enforce,
        concurrency: match limits.concurrency {
            None => 0,
            Some(Concurrency::Exactly(calls)) => number(calls),
            Some(Concurrency::Adaptive) => number(limits.concurrency_max),
        },
        adaptive: limits.concurrency == Some(Concurrency::Adaptive),
        rate,
        burst: limits.burst.map_or_else(|| (rate / 10).max(1), number),
        queue: number(limits.queue),
        queue_timeout_ms: u32::try_from(limits.queue_timeout.as_millis()).unwrap_or(u32::MAX),
        per_request: some(limits.per_request),
        breaker: watched(limits),
        retry_percent: some(limits.retry_budget.percent),
        retry_least: number(limits.retry_budget.least),
    };
    match limits.mode {
        DownstreamMode::Enforce if limits.is_unlimited() => unlimited(set.breaker),
        DownstreamMode::Enforce => set,
        DownstreamMode::Observe if set.concurrency == 0 => Limit { concurrency: CANDIDATE, ..set },
        DownstreamMode::Observe => set,
        DownstreamMode::Off => unlimited(Watched::Off),
    }
}

impl Pattern {
    fn read(name: &str) -> Self {
        let (scheme, rest) =
            name.split_once("://").map_or((None, name), |(scheme, rest)| (Some(scheme), rest));
        let (host, port) = split_port(rest);
        let below = host.strip_prefix('*').filter(|rest| rest.starts_with('.'));
        Self {
            scheme: scheme.map(str::to_ascii_lowercase),
            host: below.unwrap_or(host).to_ascii_lowercase(),
            any_below: below.is_some(),
            port: port.map(str::to_owned),
        }
    }

    fn fits(&self, origin: &str) -> bool {
        let Some((scheme, rest)) = origin.split_once("://") else { return false };
        let (host, port) = split_port(rest);
        let port = port.unwrap_or(if scheme == "https" { "443" } else { "80" });
        let fits_host = if self.any_below { host.ends_with(&self.host) } else { host == self.host };
        fits_host
            && self.scheme.as_deref().is_none_or(|wanted| wanted == scheme)
            && self.port.as_deref().is_none_or(|wanted| wanted == port)
    }

    fn exactness(&self) -> (bool, usize, bool, bool) {
        (!self.any_below, self.host.len(), self.port.is_some(), self.scheme.is_some())
    }
}

/// The last colon of a bracketed IPv6 address is not that of a port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}
