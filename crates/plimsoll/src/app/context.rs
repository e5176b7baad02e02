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

/// Where traces go; `None`: nowhere. What was wanted and cannot be is told.
fn target(config: &Config) -> Option<HttpTarget> {
    let of_environment = &config.otel.traces;
    if config.context.trace == Ask::Off {
        return None;
    }
    let is_wanted = of_environment.is_wanted || config.context.trace == Ask::On;
    if is_wanted {
        config.otel.notes.iter().for_each(|note| tracing::warn!("{note}"));
    }
    match (&of_environment.target, config.context.trace) {
        (Some(target), _) => Some(target.clone()),
        (None, Ask::On) if !of_environment.is_wanted => target_usual(Signal::Traces),
        _ if is_wanted => {
            tracing::warn!("requests are not traced");
            None
        }
        _ => None,
    }
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
