//! The settings of `downstream`.

use super::{HOUR, SECOND, length};
use crate::config::definition::{Default, Definition, FlagDefinition, Setting};
use crate::config::form::{Choice, Concurrent, Count, Optional, PerSecond};
use crate::config::{BreakerMode, DownstreamMode};

pub(super) static SETTINGS: &[&dyn Definition] = &[
    &Setting {
        key: "downstream.default.mode",
        form: Choice(&[
            ("observe", DownstreamMode::Observe),
            ("enforce", DownstreamMode::Enforce),
            ("off", DownstreamMode::Off),
        ]),
        place: |config| &mut config.downstream.default.mode,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "What is done about the calls that the app makes over HTTP. `observe` counts them by origin and computes \
              what a limit would do to them, and changes nothing. `enforce` holds the limits below. `off` does not look \
              at them. All keys of `[downstream.default]` may also stand under a name, as in \
              `[downstream.\"api.example.com\"]`, and then hold for that origin, with those of the default for what is \
              not set there. A name is a host, `*.` and a domain, or either with a port or a scheme; the most exact \
              one wins.",
    },
    &Setting {
        key: "downstream.default.concurrency",
        form: Optional { word: "off", form: Concurrent(Count { least: 1, most: 100_000 }) },
        place: |config| &mut config.downstream.default.concurrency,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Calls in flight to one origin, all workers of the host together. A call is in flight until the last byte of \
              its answer. Set it to what the service stands, divided by the hosts that call it. `adaptive` finds it out from \
              how long calls take, between 3 and `concurrency_max`.",
    },
    &Setting {
        key: "downstream.default.concurrency_max",
        form: Count { least: 3, most: 100_000 },
        place: |config| &mut config.downstream.default.concurrency_max,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "The most calls in flight that `concurrency = \"adaptive\"` may find.",
    },
    &Setting {
        key: "downstream.default.rate",
        form: Optional { word: "off", form: PerSecond },
        place: |config| &mut config.downstream.default.rate,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Calls per second to one origin, all workers of the host together. Set it where a service counts calls and \
              answers 429.",
    },
    &Setting {
        key: "downstream.default.burst",
        form: Optional { word: "auto", form: Count { least: 1, most: 100_000 } },
        place: |config| &mut config.downstream.default.burst,
        flag: FlagDefinition::None,
        default: Default::Depends("`auto`, a tenth of the rate"),
        doc: "Calls that may be made at once under `rate` after a while without any.",
    },
    &Setting {
        key: "downstream.default.per_request",
        form: Optional { word: "off", form: Count { least: 1, most: 100_000 } },
        place: |config| &mut config.downstream.default.per_request,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Calls in flight to one origin for one request of a client: what a `Promise.all` over fifty ids becomes. It \
              holds where it is known which request makes a call: before the first `await` of a handler, and everywhere \
              from Node.js 24 on (22 with `context.async_context_frame`), or where the app uses AsyncLocalStorage itself.",
    },
    &Setting {
        key: "downstream.default.queue",
        form: Count { least: 0, most: 100_000 },
        place: |config| &mut config.downstream.default.queue,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Calls to one origin that may wait in a worker for their turn. One more is refused at once, with the code \
              `EPLIMSOLL_QUEUE`.",
    },
    &Setting {
        key: "downstream.default.queue_timeout",
        form: length(1, HOUR),
        place: |config| &mut config.downstream.default.queue_timeout,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long a call may wait for its turn. Then it is refused, with the code `EPLIMSOLL_QUEUE`. A timeout or \
              an abort of the app's own ends the wait earlier.",
    },
    &Setting {
        key: "downstream.default.breaker",
        form: Choice(&[
            ("observe", BreakerMode::Observe),
            ("enforce", BreakerMode::Enforce),
            ("off", BreakerMode::Off),
        ]),
        place: |config| &mut config.downstream.default.breaker.mode,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "A circuit breaker for the origin, one for all workers of the host. `observe` computes when it would have opened, \
              and how many calls it would have refused. `enforce` refuses calls while it is open, with the code \
              `EPLIMSOLL_BREAKER`, where `mode = \"enforce\"` too. Then a call fails at once instead of waiting for a service \
              that is down, and the service is left alone. A call fails that gets no answer, or one of 500 or more; one \
              that the app gives up does not count.",
    },
    &Setting {
        key: "downstream.default.consecutive_5xx",
        form: Optional { word: "off", form: Count { least: 1, most: 100_000 } },
        place: |config| &mut config.downstream.default.breaker.consecutive_5xx,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "The breaker opens when so many calls in a row have failed, of all workers together.",
    },
    &Setting {
        key: "downstream.default.consecutive_gateway_failure",
        form: Optional { word: "off", form: Count { least: 1, most: 100_000 } },
        place: |config| &mut config.downstream.default.breaker.consecutive_gateway_failure,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "The breaker opens when so many calls in a row were answered 502, 503 or 504, or not at all. Set it, and \
              `consecutive_5xx = \"off\"`, where a 500 is the fault of a single request.",
    },
    &Setting {
        key: "downstream.default.failure_percentage_threshold",
        form: Optional { word: "off", form: Count { least: 1, most: 100 } },
        place: |config| &mut config.downstream.default.breaker.failure_percentage_threshold,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "The breaker opens when so many of a hundred calls failed within `failure_interval`.",
    },
    &Setting {
        key: "downstream.default.failure_percentage_request_volume",
        form: Count { least: 1, most: 1_000_000 },
        place: |config| &mut config.downstream.default.breaker.failure_percentage_request_volume,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Of fewer calls within `failure_interval` no percentage is taken.",
    },
    &Setting {
        key: "downstream.default.failure_interval",
        form: length(SECOND, HOUR),
        place: |config| &mut config.downstream.default.breaker.failure_interval,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How far back `failure_percentage_threshold` looks. A breaker that has stayed closed for so long forgets one \
              of its openings.",
    },
    &Setting {
        key: "downstream.default.base_ejection_time",
        form: length(10, HOUR),
        place: |config| &mut config.downstream.default.breaker.base_ejection_time,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long the breaker stays open. Then one call is let through, of whichever worker makes one first: when it is \
              answered the breaker closes, and when it fails it opens again, each time for this much longer. Envoy's default is \
              `30s`, for one host of many; here there is no other to go to.",
    },
    &Setting {
        key: "downstream.default.max_ejection_time",
        form: length(10, 24 * HOUR),
        place: |config| &mut config.downstream.default.breaker.max_ejection_time,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "The breaker stays open no longer than this, however often it has opened.",
    },
    &Setting {
        key: "downstream.default.retry_budget_percent",
        form: Optional { word: "off", form: Count { least: 1, most: 100 } },
        place: |config| &mut config.downstream.default.retry_budget.percent,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Of the calls in flight to the origin so many in a hundred may be retries; one more is refused, with the code \
              `EPLIMSOLL_RETRY`. A retry is a call that the same request of a client makes again, by method and path, after it had \
              failed (no answer, 500 or more, 408 or 429). It holds in each worker by itself, and where it is known which request \
              makes a call. Plimsoll itself never makes a call again. `20` is Envoy's default.",
    },
    &Setting {
        key: "downstream.default.min_retry_concurrency",
        form: Count { least: 0, most: 100_000 },
        place: |config| &mut config.downstream.default.retry_budget.least,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "So many retries in flight are allowed in a worker whatever the percentage says.",
    },
];
