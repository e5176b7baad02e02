//! What is said at the start: what is watched, what is held, and what else would be good.

use std::time::Duration;

use crate::concerns::words::{counted, duration};
use crate::config::{AgentMode, Config, DownstreamMode, LanesMode, LogsMode, PoolsMode};

/// Load balancers keep their connections for so long.
const BALANCER: Duration = Duration::from_secs(60);

/// What was found of the place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) workers: u16,
    pub(super) cpus: u16,
    pub(super) in_kubernetes: bool,
}

/// A block of a few lines.
pub(super) fn lines(config: &Config, found: Found) -> Vec<String> {
    let mut lines = vec![watched(config, found), format!("held: {}", held(config).join("; "))];
    lines.extend(suggestions(config, found).into_iter().map(|text| format!("hint: {text}")));
    lines
}

fn watched(config: &Config, found: Found) -> String {
    let Found { workers, cpus, .. } = found;
    let (workers, cpus) = (counted(workers, "worker"), counted(cpus, "CPU"));
    if config.workers.agent == AgentMode::Off {
        return format!(
            "{workers} on {cpus}; watched: requests, processes and the log; without the agent nothing inside"
        );
    }
    let mut all = vec![format!("loops that stand still for {}", short(config.event_loop.stall_threshold))];
    let calls = config.downstream.named.iter().map(|(_, limits)| limits.mode);
    if calls.chain([config.downstream.default.mode]).any(|mode| mode != DownstreamMode::Off) {
        all.push("calls to other services".to_owned());
    }
    let pools = config.pools.named.iter().map(|(_, limits)| limits.mode);
    if pools.chain([config.pools.default.mode]).any(|mode| mode != PoolsMode::Off) {
        all.push("pools of connections".to_owned());
    }
    all.push("heaps".to_owned());
    all.push("the log".to_owned());
    format!("{workers} on {cpus}; watched: {}", all.join(", "))
}

/// What changes something, and from when on.
fn held(config: &Config) -> Vec<String> {
    let mut held = Vec::new();
    if config.event_loop.lanes == LanesMode::Auto {
        let threshold = short(config.event_loop.heavy_threshold);
        held.push(format!("routes that keep a loop for {threshold} go to workers of their own"));
    }
    let enforced = |mode| mode == DownstreamMode::Enforce;
    let limits = &config.downstream;
    match limits.named.iter().filter(|(_, limits)| enforced(limits.mode)).count() {
        _ if enforced(limits.default.mode) => held.push("limits of calls to all services".to_owned()),
        0 => {}
        count => held.push(format!("limits of calls to {count} named services")),
    }
    let sizes = |mode| mode == PoolsMode::Enforce;
    if sizes(config.pools.default.mode) || config.pools.named.iter().any(|(_, pool)| sizes(pool.mode)) {
        held.push("sizes of pools, within what the database allows".to_owned());
    }
    if let Some(share) = config.memory.recycle_at {
        held.push(format!("a worker is renewed when {:.0} % of its memory is used", share * 100.0));
    }
    if let (LogsMode::Enforce, Some(rate)) = (config.logs.mode, config.logs.rate) {
        held.push(format!("above {rate} lines/s the log is sampled, never its errors"));
    }
    if held.is_empty() {
        held.push("nothing".to_owned());
    }
    held
}

fn suggestions(config: &Config, found: Found) -> Vec<String> {
    let mut hints = Vec::new();
    if found.workers == 1 && found.cpus > 1 {
        let cpus = found.cpus;
        hints.push(format!(
            "1 of {cpus} CPUs is used; an app that keeps no state in memory can use all: --workers auto"
        ));
    }
    if found.workers > found.cpus {
        hints.push(format!(
            "{} workers share {}: --workers auto is one for each",
            found.workers,
            counted(found.cpus, "CPU")
        ));
    }
    if config.gateway.idle_timeout <= BALANCER {
        hints.push("gateway.idle_timeout is not above the 60 s of most load balancers: some requests will get 502 from them".to_owned());
    }
    if found.in_kubernetes {
        hints.push("plimsoll doctor --k8s FILE holds the pod spec against these settings".to_owned());
    }
    hints
}

/// Is it the inside of a pod?
pub(super) fn in_kubernetes() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

fn short(time: Duration) -> String {
    duration(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DownstreamLimits;

    #[test]
    fn the_start_says_what_is_watched_what_is_held_and_what_would_be_good() {
        let config = Config::default();
        let found = Found { workers: 1, cpus: 4, in_kubernetes: false };
        assert_eq!(
            lines(&config, found),
            [
                "1 worker on 4 CPUs; watched: loops that stand still for 100 ms, calls to other services, pools of \
                 connections, heaps, the log",
                "held: routes that keep a loop for 50 ms go to workers of their own; a worker is renewed when 90 % of its \
                 memory is used; above 1000 lines/s the log is sampled, never its errors",
                "hint: 1 of 4 CPUs is used; an app that keeps no state in memory can use all: --workers auto",
            ]
        );
    }

    #[test]
    fn each_suggestion_has_its_reason() {
        let of = |change: fn(&mut Config), workers, cpus, in_kubernetes| {
            let mut config = Config::default();
            change(&mut config);
            suggestions(&config, Found { workers, cpus, in_kubernetes }).len()
        };
        let nothing: fn(&mut Config) = |_| {};
        let short: fn(&mut Config) = |config| config.gateway.idle_timeout = BALANCER;
        let table = [
            (nothing, 1, 1, false, 0),
            (nothing, 4, 4, false, 0),
            (nothing, 1, 2, false, 1),
            (nothing, 3, 2, false, 1),
            (nothing, 1, 1, true, 1),
            (short, 1, 1, false, 1),
        ];
        for (change, workers, cpus, in_kubernetes, expected) in table {
            assert_eq!(
                of(change, workers, cpus, in_kubernetes),
                expected,
                "{workers} {cpus} {in_kubernetes}"
            );
        }
    }

    #[test]
    fn what_is_switched_off_is_not_said_to_be_watched_or_held() {
        let mut config = Config::default();
        config.downstream.default.mode = DownstreamMode::Off;
        config.pools.default.mode = PoolsMode::Off;
        config.event_loop.lanes = LanesMode::Off;
        config.memory.recycle_at = None;
        config.logs.mode = LogsMode::Observe;
        let found = Found { workers: 2, cpus: 2, in_kubernetes: false };
        let expected = "2 workers on 2 CPUs; watched: loops that stand still for 100 ms, heaps, the log";
        assert_eq!(lines(&config, found), [expected, "held: nothing"]);
        let enforced = DownstreamLimits { mode: DownstreamMode::Enforce, ..DownstreamLimits::default() };
        config.downstream.named = vec![("a".into(), enforced)];
        config.pools.default.mode = PoolsMode::Enforce;
        assert_eq!(
            held(&config),
            ["limits of calls to 1 named services", "sizes of pools, within what the database allows"]
        );
        config.workers.agent = AgentMode::Off;
        assert!(watched(&config, found).contains("without the agent"));
    }
}
