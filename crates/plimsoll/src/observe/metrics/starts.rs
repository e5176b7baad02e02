//! Since when each series is summed, as collectors want to know it: what has fallen was begun anew, by another process of the
//! same worker, at some time after it was sent last.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message as _;

/// By name and attributes. There are as many as there are series, whose labels are bounded.
#[derive(Debug, Default)]
pub(super) struct Starts(HashMap<(String, Vec<u8>), Known>);

#[derive(Debug)]
struct Known {
    since: u64,
    last: f64,
    last_at: u64,
}

impl Starts {
    /// Corrects the starts of whatever may not fall and has.
    pub(super) fn correct(&mut self, request: &mut ExportMetricsServiceRequest) {
        let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
        for metric in scopes.flat_map(|scope| &mut scope.metrics) {
            let name = &metric.name;
            match &mut metric.data {
                Some(Data::Sum(sum)) if sum.is_monotonic => {
                    for point in &mut sum.data_points {
                        let (since, at) = (&mut point.start_time_unix_nano, point.time_unix_nano);
                        self.look(name, &point.attributes, number(point.value), since, at);
                    }
                }
                Some(Data::Histogram(histogram)) => {
                    for point in &mut histogram.data_points {
                        let (since, at) = (&mut point.start_time_unix_nano, point.time_unix_nano);
                        self.look(name, &point.attributes, point.count as f64, since, at);
                    }
                }
                _ => {}
            }
        }
    }

    fn look(&mut self, name: &str, attributes: &[KeyValue], value: f64, since: &mut u64, at: u64) {
        let attributes = attributes.iter().flat_map(KeyValue::encode_length_delimited_to_vec).collect();
        let first = Known { since: *since, last: value, last_at: at };
        let known = self.0.entry((name.to_owned(), attributes)).or_insert(first);
        if value < known.last {
            known.since = known.last_at;
        }
        (known.last, known.last_at) = (value, at);
        *since = known.since;
    }
}

fn number(value: Option<Value>) -> f64 {
    match value {
        Some(Value::AsInt(value)) => value as f64,
        Some(Value::AsDouble(value)) => value,
        None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::{
        Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    };

    use super::*;
    use crate::observe::otlp::text;

    /// A sum of each of two workers, and a histogram of the first.
    fn request(at: u64, one: f64, two: i64, count: u64, is_monotonic: bool) -> ExportMetricsServiceRequest {
        let point = |worker: &str, value| NumberDataPoint {
            attributes: vec![text("worker", worker)],
            start_time_unix_nano: 1,
            time_unix_nano: at,
            value: Some(value),
            ..NumberDataPoint::default()
        };
        let data_points = vec![point("0", Value::AsDouble(one)), point("1", Value::AsInt(two))];
        let histogram = HistogramDataPoint {
            start_time_unix_nano: 1,
            time_unix_nano: at,
            count,
            ..HistogramDataPoint::default()
        };
        let metric =
            |name: &str, data| Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
        let metrics = vec![
            metric("a", Data::Sum(Sum { data_points, is_monotonic, ..Sum::default() })),
            metric("b", Data::Histogram(Histogram { data_points: vec![histogram], ..Histogram::default() })),
        ];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
        ExportMetricsServiceRequest { resource_metrics }
    }

    fn starts(request: &ExportMetricsServiceRequest) -> Vec<u64> {
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let of = |metric: &Metric| match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => sum.data_points.iter().map(|point| point.start_time_unix_nano).collect(),
            Data::Histogram(all) => all.data_points.iter().map(|point| point.start_time_unix_nano).collect(),
            _ => Vec::new(),
        };
        metrics.iter().flat_map(of).collect()
    }

    #[test]
    fn what_has_fallen_began_after_it_was_sent_last() {
        let mut known = Starts::default();
        for (at, one, two, count, expected) in [
            (10, 5.0, 3, 7, [1, 1, 1]),
            (20, 5.5, 3, 7, [1, 1, 1]),
            (30, 0.5, 4, 2, [20, 1, 20]),
            (40, 0.75, 1, 2, [20, 30, 20]),
            (50, 0.75, 9, 1, [20, 30, 40]),
        ] {
            let mut request = request(at, one, two, count, true);
            known.correct(&mut request);
            assert_eq!(starts(&request), expected, "at {at}");
        }
    }

    #[test]
    fn what_may_fall_has_one_start() {
        let mut known = Starts::default();
        for (at, one) in [(10, 5.0), (20, 1.0)] {
            let mut request = request(at, one, 1, 1, false);
            known.correct(&mut request);
            assert_eq!(starts(&request), [1, 1, 1]);
        }
    }
}
