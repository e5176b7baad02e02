//! What the environment says of OpenTelemetry, in the names of its specification. These variables are often there for the
//! app's own SDK: they are defaults, and one that we cannot follow is told at the start, and is no error.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::form::{Form as _, HttpUrl, Url};
use super::sinks::{Compress, Header, HttpTarget};
use crate::percent::decode;

const ENDPOINT_USUAL: &str = "http://localhost:4318";
const TIMEOUT: Duration = Duration::from_secs(10);
/// The specification's.
const INTERVAL: Duration = Duration::from_secs(60);
const BATCH_BYTES: usize = 512 * 1024;
const BATCH_WAIT: Duration = Duration::from_secs(1);

/// One kind of what OpenTelemetry collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Metrics,
}

/// Everything that the environment says.
#[derive(Debug, Clone, Default)]
pub struct Otel {
    /// `OTEL_SERVICE_NAME`, and what `OTEL_RESOURCE_ATTRIBUTES` says beside it.
    pub resource: Vec<(String, String)>,
    pub traces: Export,
    pub metrics: Export,
    /// `OTEL_METRIC_EXPORT_INTERVAL`.
    pub metrics_every: Duration,
    /// `OTEL_TRACES_SAMPLER`: the share of requests that is recorded.
    pub sample: Option<f64>,
}

/// Where a signal goes.
#[derive(Debug, Clone, Default)]
pub struct Export {
    pub target: Option<HttpTarget>,
    /// An endpoint was given: it is wanted, whether or not it can be.
    pub is_wanted: bool,
    /// What is said of this signal and cannot be followed, in words.
    pub notes: Vec<String>,
}

impl Signal {
    const fn word(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }
}

impl Otel {
    pub(super) fn read(variables: &[(OsString, OsString)]) -> Self {
        let from = Variables(variables);
        let mut traces = from.export(Signal::Traces);
        let mut metrics = from.export(Signal::Metrics);
        let metrics_every = from.interval(&mut metrics.notes);
        let sample = from.sample(&mut traces.notes);
        Self { resource: from.resource(), traces, metrics, metrics_every, sample }
    }
}

/// Where a signal goes when it is asked for and nobody says where.
#[must_use]
pub fn target_usual(signal: Signal) -> Option<HttpTarget> {
    let mut url = HttpUrl.read(ENDPOINT_USUAL).ok().flatten()?;
    signal.path().clone_into(&mut url.path);
    Some(target(url))
}

fn target(url: Url) -> HttpTarget {
    HttpTarget {
        url,
        ca: None,
        headers: Vec::new(),
        compress: Compress::Off,
        batch_bytes: BATCH_BYTES,
        batch_wait: BATCH_WAIT,
        timeout: TIMEOUT,
    }
}

struct Variables<'a>(&'a [(OsString, OsString)]);

impl<'a> Variables<'a> {
    /// An empty one is as good as none.
    fn get(&self, wanted: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(name, value)| name == wanted && !value.is_empty());
        found.and_then(|(_, value)| value.to_str()).map(str::trim)
    }

    /// What is said of one signal, or else of all; with the name of the variable.
    fn named(&self, signal: Signal, what: &str) -> Option<(String, &'a str)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.word());
        [own, format!("OTEL_EXPORTER_OTLP_{what}")]
            .into_iter()
            .find_map(|name| self.get(&name).map(|value| (name, value)))
    }

    fn of(&self, signal: Signal, what: &str) -> Option<&'a str> {
        self.named(signal, what).map(|(_, value)| value)
    }

    fn is_off(&self, signal: Signal) -> bool {
        let exporter = self.get(&format!("OTEL_{}_EXPORTER", signal.word()));
        let is_ours = |exporters: &str| exporters.split(',').any(|exporter| exporter.trim() == "otlp");
        self.get("OTEL_SDK_DISABLED").is_some_and(|is| is.eq_ignore_ascii_case("true"))
            || exporter.is_some_and(|exporters| !is_ours(exporters))
    }

    fn export(&self, signal: Signal) -> Export {
        let Some((name, endpoint)) = self.named(signal, "ENDPOINT").filter(|_| !self.is_off(signal)) else {
            return Export::default();
        };
        let refused = |note: String| Export { target: None, is_wanted: true, notes: vec![note] };
        let protocol = self.named(signal, "PROTOCOL");
        if let Some((name, protocol)) = protocol.filter(|(_, protocol)| *protocol != "http/protobuf") {
            return refused(format!(
                "{name}: `{protocol}` is not spoken; hint: where the collector takes http/protobuf as well (usually at \
                 port 4318), say so"
            ));
        }
        let mut url = match HttpUrl.read(endpoint) {
            Ok(Some(url)) => url,
            Ok(None) => return Export::default(),
            Err(reason) => return refused(format!("{name}: {}; hint: {}", reason.fault, reason.hint)),
        };
        // What is said of all signals is where their paths begin.
        if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
            url.path = format!("{}{}", url.path.trim_end_matches('/'), signal.path());
        }
        let mut notes = Vec::new();
        let mut target = target(url);
        target.headers = self.headers(signal, &mut notes);
        if self.of(signal, "COMPRESSION") == Some("gzip") {
            target.compress = Compress::Gzip;
        }
        target.ca = self.of(signal, "CERTIFICATE").map(PathBuf::from);
        let timeout = self.of(signal, "TIMEOUT").and_then(|text| text.parse().ok()).filter(|ms| *ms > 0);
        target.timeout = timeout.map_or(TIMEOUT, Duration::from_millis);
        Export { target: Some(target), is_wanted: true, notes }
    }

    fn headers(&self, signal: Signal, notes: &mut Vec<String>) -> Vec<Header> {
        let Some((name, text)) = self.named(signal, "HEADERS") else { return Vec::new() };
        let (good, bad): (Vec<_>, Vec<_>) = pairs(text).into_iter().partition(is_header);
        if !bad.is_empty() {
            notes.push(format!("{name}: not all are headers; hint: name=value,name=value"));
        }
        good.into_iter().map(|(name, value)| Header::secret(name, value)).collect()
    }

    fn resource(&self) -> Vec<(String, String)> {
        let mut all = self.get("OTEL_RESOURCE_ATTRIBUTES").map(pairs).unwrap_or_default();
        if let Some(name) = self.get("OTEL_SERVICE_NAME") {
            all.retain(|(given, _)| given != "service.name");
            all.push(("service.name".to_owned(), name.to_owned()));
        }
        all
    }

    fn interval(&self, notes: &mut Vec<String>) -> Duration {
        let Some(text) = self.get("OTEL_METRIC_EXPORT_INTERVAL") else { return INTERVAL };
        // Oftener the workers would be asked for nothing.
        let ms = text.parse().ok().filter(|ms| (1000..=86_400_000).contains(ms));
        if ms.is_none() {
            notes.push(format!(
                "OTEL_METRIC_EXPORT_INTERVAL: `{text}` is not followed; hint: milliseconds, 1000 or more"
            ));
        }
        ms.map_or(INTERVAL, Duration::from_millis)
    }

    fn sample(&self, notes: &mut Vec<String>) -> Option<f64> {
        let sampler = self.get("OTEL_TRACES_SAMPLER")?;
        match sampler.strip_prefix("parentbased_").unwrap_or(sampler) {
            "always_on" => Some(1.0),
            "always_off" => Some(0.0),
            "traceidratio" => {
                // The specification: 1 where there is none.
                let Some(text) = self.get("OTEL_TRACES_SAMPLER_ARG") else { return Some(1.0) };
                let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
                if ratio.is_none() {
                    notes.push(format!("OTEL_TRACES_SAMPLER_ARG: `{text}` is no share; hint: 0 to 1"));
                }
                ratio
            }
            _ => {
                notes.push(format!(
                    "OTEL_TRACES_SAMPLER: `{sampler}` is not known; hint: parentbased_traceidratio, \
                     parentbased_always_on or parentbased_always_off"
                ));
                None
            }
        }
    }
}

fn is_header((name, value): &(String, String)) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && value.bytes().all(|byte| (b' '..0x7f).contains(&byte))
}

/// `name=value,name=value`, with `%2C` and the like in values.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), decode(value.trim()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Otel {
        Otel::read(&variables.iter().map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>())
    }

    #[test]
    fn a_general_endpoint_gets_the_path_of_the_signal_and_an_own_one_stays_as_it_is() {
        for (variables, traces, metrics) in [
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")][..],
                "http://c:4318/v1/traces",
                "http://c:4318/v1/metrics",
            ),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/a/")],
                "https://c:443/a/v1/traces",
                "https://c:443/a/v1/metrics",
            ),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/x")], "http://t:1/x", ""),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), ("OTEL_TRACES_EXPORTER", "none")],
                "",
                "http://c:1/v1/metrics",
            ),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), ("OTEL_SDK_DISABLED", "true")], "", ""),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], "", ""),
            (&[], "", ""),
        ] {
            let otel = read(variables);
            let url =
                |export: &Export| export.target.as_ref().map_or_else(String::new, |to| to.url.to_string());
            assert_eq!(
                (url(&otel.traces).as_str(), url(&otel.metrics).as_str()),
                (traces, metrics),
                "{variables:?}"
            );
            assert!(otel.traces.notes.is_empty() && otel.metrics.notes.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_followed_is_told_and_is_no_error() {
        for (variables, word) in [
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317")][..], "is not a URL"),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "grpc"),
        ] {
            let Otel { traces, metrics, .. } = read(variables);
            for Export { target, is_wanted, notes } in [traces, metrics] {
                assert!(target.is_none() && is_wanted);
                assert!(
                    notes.len() == 1 && notes[0].contains(word) && notes[0].contains("hint:"),
                    "{notes:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_said_of_one_signal_is_noted_with_its_variable_and_only_there() {
        const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        for (name, value, of_traces, of_metrics) in [
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "c:4317", 0, 1),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc", 0, 1),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a b=c", 1, 0),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=c", 1, 1),
            ("OTEL_METRIC_EXPORT_INTERVAL", "soon", 0, 1),
            ("OTEL_TRACES_SAMPLER", "x", 1, 0),
        ] {
            let Otel { traces, metrics, .. } = read(&[(ALL, "http://c"), (name, value)]);
            assert_eq!((traces.notes.len(), metrics.notes.len()), (of_traces, of_metrics), "{name}");
            let start = format!("{name}: ");
            assert!(traces.notes.iter().chain(&metrics.notes).all(|note| note.starts_with(&start)), "{name}");
        }
    }

    #[test]
    fn how_often_metrics_go_is_read() {
        for (text, expected, notes) in
            [("", 60_000, 0), ("15000", 15_000, 0), ("10", 60_000, 1), ("soon", 60_000, 1)]
        {
            let otel = read(&[("OTEL_METRIC_EXPORT_INTERVAL", text)]);
            assert_eq!(
                (otel.metrics_every, otel.metrics.notes.len()),
                (Duration::from_millis(expected), notes),
                "{text}"
            );
        }
    }

    #[test]
    fn headers_attributes_and_the_sampler_are_read() {
        let otel = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20one, x-b = 2"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=a%2Cb"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        let target = otel.traces.target.unwrap();
        let headers: Vec<_> = target.headers.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
        assert_eq!(headers, [("authorization", "Bearer one"), ("x-b", "2")]);
        assert_eq!((target.timeout, target.compress), (Duration::from_millis(250), Compress::Gzip));
        let resource: Vec<_> = otel.resource.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(resource, [("deployment.environment.name", "a,b"), ("service.name", "shop")]);
        assert_eq!(otel.sample, Some(0.25));
        for (sampler, share) in [
            ("always_on", Some(1.0)),
            ("parentbased_always_off", Some(0.0)),
            ("traceidratio", Some(1.0)),
            ("x", None),
        ] {
            assert_eq!(read(&[("OTEL_TRACES_SAMPLER", sampler)]).sample, share, "{sampler}");
        }
    }
}
