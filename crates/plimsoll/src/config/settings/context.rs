//! Settings of the promise `context`.

use super::{KB, size};
use crate::config::context::{Ask, Propagate};
use crate::config::definition::{Default, Definition, FlagDefinition, Setting};
use crate::config::form::{Choice, Optional, Share};

const MB: u64 = KB * KB;
const ASK: Choice<Ask> = Choice(&[("auto", Ask::Auto), ("on", Ask::On), ("off", Ask::Off)]);

pub(super) static SETTINGS: &[&dyn Definition] = &[
    &Setting {
        key: "context.request_id",
        form: ASK,
        place: |config| &mut config.context.request_id,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Whether each request has an id in `x-request-id`: the client's, where it sent a proper one, else one that the \
              gateway makes (a UUID of version 7). The app gets it as a header, and it stands in the access log. `auto` does that where \
              requests are traced, and otherwise leaves the headers as they came.",
    },
    &Setting {
        key: "context.echo",
        form: Choice(&[("on", true), ("off", false)]),
        place: |config| &mut config.context.echo,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Whether the answer tells the client the id of its request, in `x-request-id`, where the app's answer has none. \
              Nothing is told where requests have no ids.",
    },
    &Setting {
        key: "context.trace",
        form: ASK,
        place: |config| &mut config.context.trace,
        flag: FlagDefinition::None,
        default: Default::Depends(
            "`auto`, on where `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set",
        ),
        doc: "Whether requests are traced: the gateway continues the trace that a request belongs to (`traceparent`), or \
              begins one, gives it to the app as headers, and sends spans to a collector as OTLP over HTTP. The variables of OpenTelemetry say \
              where it is and who we are. `on` without them sends to `http://localhost:4318`.",
    },
    &Setting {
        key: "context.sample",
        form: Optional { word: "auto", form: Share },
        place: |config| &mut config.context.sample,
        flag: FlagDefinition::None,
        default: Default::Depends(
            "`auto`, what `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say, or else 0.01",
        ),
        doc: "The share of the traces begun here that is recorded whatever becomes of the request. A trace that the client \
              records is recorded in any case, and so is a request that failed, was slow for its route, stood still, or had to be \
              moved to another worker.",
    },
    &Setting {
        key: "context.propagate",
        form: Choice(&[("exact", Propagate::Exact), ("off", Propagate::Off)]),
        place: |config| &mut config.context.propagate,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Whether the app's own HTTP calls get a `traceparent`, where the app gives them none. `exact` does that where it is \
              known for certain which request makes the call. Nothing is added where requests are not traced.",
    },
    &Setting {
        key: "context.buffer",
        form: size(64 * KB, 1024 * MB),
        place: |config| &mut config.context.buffer_bytes,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How much of what was recorded may wait for the collector. When it is full, what was recorded by chance goes first, and what \
              failed last; what is dropped is counted.",
    },
];
