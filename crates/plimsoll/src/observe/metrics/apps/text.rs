//! The metrics of the app as text. Their names are what the app called them, in both formats: OpenMetrics would have a counter
//! end in `_total`, and what does not is of no known kind there.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::family::{Family, Kind, Labels, Value};
use crate::observe::metrics::Format;

/// Writes metrics one after the other, and takes care that no name comes twice.
pub(super) struct Exposition {
    format: Format,
    text: String,
    /// Names of samples that were written, or may be by others.
    taken: BTreeSet<String>,
    /// As OpenMetrics names families, which is without `_total`.
    families: BTreeSet<String>,
}

impl Exposition {
    pub(super) fn new(format: Format, taken: BTreeSet<String>) -> Self {
        let families = taken.iter().map(|name| base(name).to_owned()).collect();
        Self { format, text: String::new(), taken, families }
    }

    /// `false`: what it is called is taken, by another or in part.
    pub(super) fn write(&mut self, name: &str, family: &Family) -> bool {
        let names: Vec<String> =
            family.kind.suffixes().iter().map(|suffix| format!("{name}{suffix}")).collect();
        if names.iter().any(|name| self.taken.contains(name)) {
            return false;
        }
        self.taken.extend(names);
        let (named, kind) = self.heading(name, family.kind);
        // Writing into a string does not fail.
        let _ = writeln!(
            self.text,
            "# HELP {named} {}",
            escaped(&family.help, self.format == Format::OpenMetrics)
        );
        let _ = writeln!(self.text, "# TYPE {named} {kind}");
        for (labels, value) in &family.series {
            self.samples(name, labels, value);
        }
        true
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn heading(&mut self, name: &str, kind: Kind) -> (String, &'static str) {
        let base = base(name);
        match (self.format, kind) {
            (Format::Classic, kind) => (name.to_owned(), kind.word()),
            (Format::OpenMetrics, Kind::Counter) if base != name && self.families.insert(base.to_owned()) => {
                (base.to_owned(), kind.word())
            }
            (Format::OpenMetrics, Kind::Counter) => (name.to_owned(), "unknown"),
            (Format::OpenMetrics, kind) => {
                self.families.insert(name.to_owned());
                (name.to_owned(), kind.word())
            }
        }
    }

    fn samples(&mut self, name: &str, labels: &Labels, value: &Value) {
        match value {
            Value::Number(value) => self.sample(name, "", labels, None, *value),
            Value::Histogram { buckets, sum, count } => {
                let mut below = 0.0_f64;
                for (bound, cumulative) in buckets.iter().filter(|(bound, _)| *bound < f64::INFINITY) {
                    below = below.max(*cumulative);
                    self.sample(name, "_bucket", labels, Some(("le", *bound)), below);
                }
                let all = buckets.last().map_or(below, |(_, cumulative)| below.max(*cumulative)).max(*count);
                self.sample(name, "_bucket", labels, Some(("le", f64::INFINITY)), all);
                self.sample(name, "_sum", labels, None, *sum);
                self.sample(name, "_count", labels, None, all);
            }
            Value::Summary { quantiles, sum, count } => {
                for (quantile, value) in quantiles {
                    self.sample(name, "", labels, Some(("quantile", *quantile)), *value);
                }
                self.sample(name, "_sum", labels, None, *sum);
                self.sample(name, "_count", labels, None, *count);
            }
        }
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &Labels, part: Option<(&str, f64)>, value: f64) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        let part = part.map(|(label, key)| (label, self.key(key)));
        let own = labels.iter().map(|(label, value)| (label.as_str(), value.as_str()));
        let all = own.chain(part.as_ref().map(|(label, key)| (*label, key.as_str())));
        let mut separator = '{';
        for (label, value) in all {
            let _ = write!(self.text, "{separator}{label}=\"{}\"", escaped(value, true));
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {}", number(value));
    }

    /// A bound or a quantile: as prom-client writes it, and as OpenMetrics wants it.
    fn key(&self, key: f64) -> String {
        match self.format {
            Format::Classic => number(key),
            Format::OpenMetrics if key.is_finite() => format!("{key:?}"),
            Format::OpenMetrics => number(key),
        }
    }
}

fn base(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    }
}

fn escaped(text: &str, quotes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if quotes => escaped.push_str("\\\""),
            other => escaped.push(other),
        }
    }
    escaped
}
