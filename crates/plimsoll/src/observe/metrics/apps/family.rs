//! A metric of the app, and how those of several processes become one.

use std::collections::BTreeMap;

/// A metric with all its series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Family {
    pub(super) help: String,
    pub(super) kind: Kind,
    pub(super) aggregate: Aggregate,
    pub(super) series: BTreeMap<Labels, Value>,
}

/// By name. A sample has not two of the same.
pub(super) type Labels = BTreeMap<String, String>;
pub(super) type Families = BTreeMap<String, Family>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// What prom-client lets an app choose for each metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Min,
    Max,
    Average,
    First,
    Omit,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    /// Cumulative counts by bound, rising.
    Histogram {
        buckets: Vec<(f64, f64)>,
        sum: f64,
        count: f64,
    },
    /// Values by quantile, rising.
    Summary {
        quantiles: Vec<(f64, f64)>,
        sum: f64,
        count: f64,
    },
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Counter, Self::Gauge, Self::Histogram, Self::Summary];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }

    /// What its samples are named after the name of the metric.
    pub(super) fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::Gauge => &[""],
            Self::Histogram => &["", "_bucket", "_sum", "_count"],
            Self::Summary => &["", "_sum", "_count"],
        }
    }
}

impl Aggregate {
    /// What nobody knows is summed, as prom-client does where nothing is said.
    pub(super) fn of_word(word: &str) -> Self {
        match word {
            "min" => Self::Min,
            "max" => Self::Max,
            "average" => Self::Average,
            "first" => Self::First,
            "omit" => Self::Omit,
            _ => Self::Sum,
        }
    }
}

impl Family {
    /// Counts of it go on when a process of the app is gone, so that what all have counted never falls.
    pub(super) fn is_kept(&self) -> bool {
        self.kind != Kind::Gauge && self.aggregate == Aggregate::Sum
    }

    pub(super) fn is_omitted(&self) -> bool {
        self.aggregate == Aggregate::Omit
    }

    /// Without its series.
    pub(super) fn heading(&self) -> Self {
        Self { help: self.help.clone(), kind: self.kind, aggregate: self.aggregate, series: BTreeMap::new() }
    }

    /// As one of several workers has it. A label of that name of the app's own goes aside, as it does in Prometheus.
    pub(super) fn of_worker(mut self, worker: u16) -> Self {
        let label = |(mut labels, value): (Labels, Value)| {
            if let Some(own) = labels.remove("worker") {
                labels.entry("exported_worker".to_owned()).or_insert(own);
            }
            labels.insert("worker".to_owned(), worker.to_string());
            (labels, value)
        };
        self.series = self.series.into_iter().map(label).collect();
        // They are put side by side.
        self.aggregate = Aggregate::First;
        self
    }

    /// Puts what another process counted to this, for good.
    pub(super) fn keep(&mut self, gone: &Self, room: &mut usize) {
        for (labels, value) in &gone.series {
            match self.series.get_mut(labels) {
                Some(kept) => kept.sum(value),
                None if *room > 0 => {
                    *room -= 1;
                    self.series.insert(labels.clone(), value.counted());
                }
                None => {}
            }
        }
    }
}

/// The same metric of several processes as one, `kept` with it: what those have counted that are gone. Of another kind than the
/// first is left out, and counted in `others`.
pub(super) fn merge<'a>(
    kept: Option<&Family>,
    all: impl IntoIterator<Item = &'a Family>,
    others: &mut u64,
) -> Option<Family> {
    let mut all = all.into_iter();
    let first = all.next()?;
    let mut merged = first.clone();
    let mut counts: BTreeMap<&Labels, f64> = first.series.keys().map(|labels| (labels, 1.0)).collect();
    for family in all {
        if family.kind != merged.kind {
            *others += 1;
            continue;
        }
        for (labels, value) in &family.series {
            *counts.entry(labels).or_default() += 1.0;
            match merged.series.get_mut(labels) {
                Some(sum) => sum.combine(merged.aggregate, value),
                None => {
                    merged.series.insert(labels.clone(), value.clone());
                }
            }
        }
    }
    if merged.aggregate == Aggregate::Average {
        for (labels, value) in &mut merged.series {
            value.divide(counts.get(labels).copied().unwrap_or(1.0));
        }
    }
    if let Some(kept) = kept.filter(|kept| kept.kind == merged.kind && merged.is_kept()) {
        merged.keep(kept, &mut { usize::MAX });
    }
    Some(merged)
}

impl Value {
    fn combine(&mut self, aggregate: Aggregate, other: &Self) {
        match (&mut *self, other) {
            (Self::Number(mine), Self::Number(theirs)) => match aggregate {
                Aggregate::Sum | Aggregate::Average | Aggregate::Omit => *mine += theirs,
                Aggregate::Min => *mine = mine.min(*theirs),
                Aggregate::Max => *mine = mine.max(*theirs),
                Aggregate::First => {}
            },
            // What is counted can be summed, and nothing else makes sense of it.
            _ if aggregate != Aggregate::First => self.sum(other),
            _ => {}
        }
    }

    fn sum(&mut self, other: &Self) {
        match (self, other) {
            (Self::Number(mine), Self::Number(theirs)) => *mine += theirs,
            (
                Self::Histogram { buckets, sum, count },
                Self::Histogram { buckets: their_buckets, sum: their_sum, count: their_count },
            ) => {
                *buckets = add(buckets, their_buckets);
                *sum += their_sum;
                *count += their_count;
            }
            (
                Self::Summary { quantiles, sum, count },
                Self::Summary { quantiles: their_quantiles, sum: their_sum, count: their_count },
            ) => {
                *quantiles = highest(quantiles, their_quantiles);
                *sum += their_sum;
                *count += their_count;
            }
            _ => {}
        }
    }

    /// Without what is only so while the process is there.
    fn counted(&self) -> Self {
        match self {
            Self::Summary { sum, count, .. } => {
                Self::Summary { quantiles: Vec::new(), sum: *sum, count: *count }
            }
            other => other.clone(),
        }
    }

    fn divide(&mut self, by: f64) {
        if let Self::Number(number) = self {
            *number /= by;
        }
    }
}

/// Cumulative counts of two histograms, whose bounds need not be the same: below a bound that one of them has not are at least
/// those below its next lower one.
fn add(mine: &[(f64, f64)], theirs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut bounds: Vec<f64> = mine.iter().chain(theirs).map(|(bound, _)| *bound).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup_by(|one, other| one.total_cmp(other).is_eq());
    let below = |parts: &[(f64, f64)], bound: f64| {
        let known = parts.iter().rev().find(|(known, _)| *known <= bound);
        known.map_or(0.0, |(_, count)| *count)
    };
    bounds.into_iter().map(|bound| (bound, below(mine, bound) + below(theirs, bound))).collect()
}

/// The quantiles of two summaries cannot be put together. The higher one stands for both: that of all is not above it.
fn highest(mine: &[(f64, f64)], theirs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut all: Vec<(f64, f64)> = mine.iter().chain(theirs).copied().collect();
    // Of the same quantile the higher value comes first, and last what is no number because nothing was seen.
    let key = |value: f64| if value.is_nan() { f64::NEG_INFINITY } else { value };
    all.sort_by(|(one, high), (other, low)| one.total_cmp(other).then(key(*low).total_cmp(&key(*high))));
    all.dedup_by(|(later, _), (kept, _)| later.total_cmp(kept).is_eq());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(kind: Kind, aggregate: &str, series: &[(&str, Value)]) -> Family {
        let label = |text: &str| BTreeMap::from([("a".to_owned(), text.to_owned())]);
        let series = series.iter().map(|(text, value)| (label(text), value.clone())).collect();
        Family { help: "Help.".into(), kind, aggregate: Aggregate::of_word(aggregate), series }
    }

    fn values(family: &Family) -> Vec<(&str, &Value)> {
        family.series.iter().map(|(labels, value)| (labels["a"].as_str(), value)).collect()
    }

    #[test]
    fn gauges_are_put_together_as_they_say() {
        let cases =
            [("sum", 9.0), ("min", 2.0), ("max", 4.0), ("average", 3.0), ("first", 3.0), ("other", 9.0)];
        for (aggregate, expected) in cases {
            let of = |number| family(Kind::Gauge, aggregate, &[("x", Value::Number(number))]);
            let all = [of(3.0), of(2.0), of(4.0)];
            let merged = merge(None, &all, &mut 0).unwrap();
            assert_eq!(values(&merged), [("x", &Value::Number(expected))], "{aggregate}");
        }
    }

    #[test]
    fn an_average_is_of_those_who_have_the_series() {
        let one = family(Kind::Gauge, "average", &[("x", Value::Number(2.0)), ("y", Value::Number(7.0))]);
        let other = family(Kind::Gauge, "average", &[("x", Value::Number(4.0))]);
        let merged = merge(None, [&one, &other], &mut 0).unwrap();
        assert_eq!(values(&merged), [("x", &Value::Number(3.0)), ("y", &Value::Number(7.0))]);
    }

    #[test]
    fn counters_go_on_from_what_those_counted_who_are_gone() {
        let of = |number| family(Kind::Counter, "sum", &[("x", Value::Number(number))]);
        let mut kept = of(100.0);
        kept.keep(&of(5.0), &mut 0);
        let merged = merge(Some(&kept), [&of(1.0), &of(2.0)], &mut 0).unwrap();
        assert_eq!(values(&merged), [("x", &Value::Number(108.0))]);
        assert_eq!(merge(Some(&kept), [], &mut 0), None, "nobody has it any more");
        let gauge = family(Kind::Gauge, "sum", &[("x", Value::Number(1.0))]);
        assert_eq!(merge(Some(&kept), [&gauge], &mut 0).as_ref(), Some(&gauge));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let of = |text| family(Kind::Counter, "sum", &[(text, Value::Number(1.0))]);
        let (mut kept, mut room) = (of("x"), 1);
        for text in ["x", "y", "z"] {
            kept.keep(&of(text), &mut room);
        }
        assert_eq!(values(&kept), [("x", &Value::Number(2.0)), ("y", &Value::Number(1.0))]);
    }

    #[test]
    fn histograms_are_summed_also_where_their_bounds_differ() {
        let parts =
            |buckets: &[(f64, f64)], sum, count| Value::Histogram { buckets: buckets.to_vec(), sum, count };
        let inf = f64::INFINITY;
        let one =
            family(Kind::Histogram, "sum", &[("x", parts(&[(1.0, 2.0), (5.0, 4.0), (inf, 5.0)], 9.0, 5.0))]);
        let other =
            family(Kind::Histogram, "sum", &[("x", parts(&[(1.0, 1.0), (2.0, 3.0), (inf, 3.0)], 4.0, 3.0))]);
        let merged = merge(None, [&one, &other], &mut 0).unwrap();
        let expected = parts(&[(1.0, 3.0), (2.0, 5.0), (5.0, 7.0), (inf, 8.0)], 13.0, 8.0);
        assert_eq!(values(&merged), [("x", &expected)]);
    }

    #[test]
    fn of_quantiles_the_highest_stands_for_all() {
        let summary = |quantiles: &[(f64, f64)], sum, count| {
            family(
                Kind::Summary,
                "sum",
                &[("x", Value::Summary { quantiles: quantiles.to_vec(), sum, count })],
            )
        };
        let (one, other) = (
            summary(&[(0.5, 1.0), (0.9, 9.0)], 10.0, 4.0),
            summary(&[(0.5, f64::NAN), (0.9, 12.0)], 5.0, 2.0),
        );
        let mut kept = summary(&[], 0.0, 0.0);
        kept.series.clear();
        kept.keep(&summary(&[(0.9, 99.0)], 100.0, 7.0), &mut 1);
        let merged = merge(Some(&kept), [&other, &one], &mut 0).unwrap();
        let expected = Value::Summary { quantiles: vec![(0.5, 1.0), (0.9, 12.0)], sum: 115.0, count: 13.0 };
        assert_eq!(values(&merged), [("x", &expected)]);
    }

    #[test]
    fn of_another_kind_is_left_out_and_counted() {
        let gauge = family(Kind::Gauge, "sum", &[("x", Value::Number(1.0))]);
        let counter = family(Kind::Counter, "sum", &[("x", Value::Number(1.0))]);
        let mut others = 0;
        assert_eq!(merge(None, [&gauge, &counter], &mut others).as_ref(), Some(&gauge));
        assert_eq!(others, 1);
    }
}
