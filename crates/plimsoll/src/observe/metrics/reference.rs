//! `docs/reference/metrics.md`, made from the table.

use std::fmt::Write as _;

const HEAD: &str = "\
# Metrics

<!-- Made by `cargo xtask docs` from the table of metrics. Change that, not this page. -->

`GET /metrics` on the admin address answers in the text format of Prometheus, or in OpenMetrics for who asks for it in
`Accept`.

A metric without a sample is left out: failures before the first one, and what belongs to workers while the
supervisor does not answer. `http_request_method` is `_OTHER` for methods that HTTP and PATCH do not define.
`worker` is the number that the app sees as `PLIMSOLL_WORKER`. `nodejs_*` and `process_*` are the workers, by the names and
with the labels of prom-client's default metrics, and with `worker`: boards that were made for these go on working. Plimsoll
itself is `plimsoll_process_*`.

Behind these stand the metrics that the app keeps in prom-client, of all workers together: see `docs/operate/metrics.md`.

| metric | type | labels | what it says |
|---|---|---|---|
";

/// The whole page.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    for metric in super::all() {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = metric.kind();
        // Writing into a string does not fail.
        let _ = writeln!(page, "| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help);
    }
    page
}
