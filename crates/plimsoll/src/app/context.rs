//! What the settings and the environment ask for of `context`, as the parts want to know it.

use std::io;

use plimsoll_wire::spans;

use super::start::{Failure, failure};
use crate::config::{Ask, Config, HttpTarget, Propagate, Signal, target_usual};
use crate::exit::Exit;
use crate::gateway::Given;
use crate::observe::logs::Identity;
use crate::observe::slow::Slow;
use crate::observe::traces::{Settings, Traces};

/// Where neither the settings nor the environment say anything.
const SHARE_USUAL: f64 = 0.01;
/// Of a request that is not recorded by chance, agents tell of what took so long: it may still be recorded.
const TOLD_FROM_MS: u32 = 100;

pub(super) struct Context {
    pub(super) given: Given,
    pub(super) traces: Option<Traces>,
    /// What agents are asked to tell.
    pub(super) watch: Option<spans::Watch>,
}

/// # Errors
/// The threads could not be made.
pub(super) fn prepare(config: &Config, who: &Identity, slow: &Slow) -> Result<Context, Failure> {
    let traces = target(config).map(|target| start(config, target, who, slow)).transpose();
    let traces = traces.map_err(|error| failure(Exit::Failure, "traces could not be started", error))?;
    let request_ids = match config.context.request_id {
        Ask::Auto => traces.is_some(),
        Ask::On => true,
        Ask::Off => false,
    };
    let watch = traces.as_ref().map(|_| spans::Watch {
        propagates: config.context.propagate == Propagate::Exact,
        told_from_ms: TOLD_FROM_MS,
    });
    let tracer = traces.as_ref().map(|traces| traces.tracer().clone());
    Ok(Context { given: Given { request_ids, echo: config.context.echo, tracer }, traces, watch })
}

/// Where traces go; `None`: nowhere.
fn target(config: &Config) -> Option<HttpTarget> {
    let of_environment = &config.otel.traces;
    match (&of_environment.target, config.context.trace) {
        (_, Ask::Off) => None,
        (Some(target), _) => Some(target.clone()),
        (None, Ask::On) if !of_environment.is_wanted => target_usual(Signal::Traces),
        _ => None,
    }
}

/// What was wanted of OpenTelemetry and cannot be, in words; what several signals have in common is said once.
pub(super) fn unmet(config: &Config) -> Vec<&str> {
    let (traces, metrics) = (&config.otel.traces, &config.otel.metrics);
    let are_traces_wanted = match config.context.trace {
        Ask::Auto => traces.is_wanted,
        Ask::On => true,
        Ask::Off => false,
    };
    let signals = [
        (traces, are_traces_wanted, target(config).is_some(), "requests are not traced"),
        (metrics, metrics.is_wanted, metrics.target.is_some(), "metrics are not sent"),
    ];
    let mut told: Vec<&str> = Vec::new();
    for (export, _, has_target, lost) in signals.into_iter().filter(|(_, is_wanted, ..)| *is_wanted) {
        let lost = (!has_target).then_some(lost);
        for line in export.notes.iter().map(String::as_str).chain(lost) {
            if !told.contains(&line) {
                told.push(line);
            }
        }
    }
    told
}

fn start(config: &Config, target: HttpTarget, who: &Identity, slow: &Slow) -> io::Result<Traces> {
    let share = config.context.sample.or(config.otel.sample).unwrap_or(SHARE_USUAL);
    tracing::info!(
        to = %target.url,
        share,
        "requests are traced: this share of them, and those that fail, are slow for their route, stall or are moved"
    );
    let settings = Settings {
        target,
        resource: config.otel.resource.clone(),
        service: who.service.clone(),
        host: who.host.clone(),
        share,
        buffer_bytes: config.context.buffer_bytes,
    };
    Traces::start(&settings, slow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn what_is_wanted_and_cannot_be_is_told_once() {
        const GRPC: &str = "OTEL_EXPORTER_OTLP_PROTOCOL: `grpc` is not spoken";
        const ALL: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
        let (no_traces, no_metrics) = ("requests are not traced", "metrics are not sent");
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        for (variables, expected) in [
            (&[][..], &[][..]),
            (&[ALL], &[]),
            (&[ALL, grpc], &[GRPC, no_traces, no_metrics]),
            (&[ALL, grpc, ("PLIMSOLL_CONTEXT_TRACE", "off")], &[GRPC, no_metrics]),
            (&[ALL, grpc, ("OTEL_METRICS_EXPORTER", "none")], &[GRPC, no_traces]),
            (
                &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "c:4317")],
                &["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `c:4317` is not a URL", no_metrics],
            ),
            (&[ALL, ("OTEL_METRIC_EXPORT_INTERVAL", "5s")], &["OTEL_METRIC_EXPORT_INTERVAL: `5s` is not"]),
            (&[("OTEL_METRIC_EXPORT_INTERVAL", "5s"), ("OTEL_TRACES_SAMPLER", "x")], &[]),
            // Then it is the usual collector of this host.
            (
                &[("PLIMSOLL_CONTEXT_TRACE", "on"), ("OTEL_TRACES_SAMPLER", "x")],
                &["OTEL_TRACES_SAMPLER: `x` is not known"],
            ),
        ] {
            let set = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
            let config = load(&Sources { variables: set, ..Sources::default() }).unwrap().config;
            let told = unmet(&config);
            assert_eq!(told.len(), expected.len(), "{variables:?}: {told:?}");
            assert!(told.iter().zip(expected).all(|(line, start)| line.starts_with(start)), "{told:?}");
        }
    }
}
