//! `docs/reference/metrics.md`, made from the table.

use std::fmt::Write as _;

use super::table::METRICS;
use super::{context, downstream, logs, memory, pools, traces};

const HEAD: &str = "\
# Metrics

<!-- Made by `cargo xtask docs` from the table of metrics. Change that, not this page. -->

`GET /metrics` on the admin address answers in the text format of Prometheus, or in OpenMetrics for who asks for it in
`Accept`.

A metric without a sample is left out: failures before the first one, and what belongs to workers while the
supervisor does not answer. `http_request_method` is `_OTHER` for methods that HTTP and PATCH do not define.
`worker` is the number that the app sees as `PLIMSOLL_WORKER`. `process_*` is Plimsoll itself, without the workers.

| metric | type | labels | what it says |
|---|---|---|---|
";

/// The whole page.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let others = logs::METRICS
        .iter()
        .chain(downstream::METRICS)
        .chain(context::METRICS)
        .chain(memory::METRICS)
        .chain(pools::METRICS)
        .chain(traces::METRICS);
    for metric in METRICS.iter().chain(others) {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = metric.kind();
        // Writing into a string does not fail.
        let _ = writeln!(page, "| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help);
    }
    page
}
