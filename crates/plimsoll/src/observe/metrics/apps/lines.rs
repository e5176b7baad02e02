//! Reads what a process has said of its metrics. It may be anything: what is not well formed, too much or too long is left out
//! and counted.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::family::{Aggregate, Families, Family, Kind, Labels, Value};

/// Of one process.
const FAMILIES_MAX: usize = 2000;
const SERIES_MAX: usize = 20_000;
const LABELS_MAX: usize = 32;
const NAME_MAX: usize = 200;
const HELP_MAX: usize = 1000;
const LABEL_MAX: usize = 1000;
/// Bounds of a histogram, or quantiles.
const PARTS_MAX: usize = 200;

/// What Node says of a process: seconds, bytes and counts. What is not there was not told.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in super::super) struct Node {
    pub(in super::super) version: String,
    pub(in super::super) active_ms: f64,
    pub(in super::super) idle_ms: f64,
    pub(in super::super) lag: Option<f64>,
    pub(in super::super) lag_min: Option<f64>,
    pub(in super::super) lag_max: Option<f64>,
    pub(in super::super) lag_mean: Option<f64>,
    pub(in super::super) lag_stddev: Option<f64>,
    pub(in super::super) lag_p50: Option<f64>,
    pub(in super::super) lag_p90: Option<f64>,
    pub(in super::super) lag_p99: Option<f64>,
    /// Size, used and available.
    pub(in super::super) spaces: BTreeMap<String, [f64; 3]>,
    pub(in super::super) resources: Option<BTreeMap<String, f64>>,
    pub(in super::super) handles: Option<BTreeMap<String, f64>>,
    pub(in super::super) requests: Option<BTreeMap<String, f64>>,
}

impl Node {
    /// With that of another process of the same worker: of what is late the latest is told, all else is summed.
    pub(super) fn add(&mut self, other: &Self) {
        self.active_ms += other.active_ms;
        self.idle_ms += other.idle_ms;
        for (mine, theirs) in [
            (&mut self.lag, other.lag),
            (&mut self.lag_max, other.lag_max),
            (&mut self.lag_mean, other.lag_mean),
            (&mut self.lag_stddev, other.lag_stddev),
            (&mut self.lag_p50, other.lag_p50),
            (&mut self.lag_p90, other.lag_p90),
            (&mut self.lag_p99, other.lag_p99),
        ] {
            *mine = mine.map_or(theirs, |mine| Some(theirs.map_or(mine, |theirs| mine.max(theirs))));
        }
        self.lag_min = self
            .lag_min
            .map_or(other.lag_min, |mine| Some(other.lag_min.map_or(mine, |theirs| mine.min(theirs))));
        for (space, theirs) in &other.spaces {
            let mine = self.spaces.entry(space.clone()).or_default();
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
        for (mine, theirs) in [
            (&mut self.resources, &other.resources),
            (&mut self.handles, &other.handles),
            (&mut self.requests, &other.requests),
        ] {
            let Some(theirs) = theirs else { continue };
            let mine = mine.get_or_insert_default();
            theirs.iter().for_each(|(kind, count)| *mine.entry(kind.clone()).or_default() += count);
        }
    }
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) node: Node,
    pub(super) families: Families,
    pub(super) left_out: LeftOut,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct LeftOut {
    pub(in super::super) malformed: u64,
    pub(in super::super) too_many: u64,
}

pub(super) fn read(lines: &str) -> Said {
    let mut said = Said::default();
    // The metric that the samples are of; `None`: they are left out with it.
    let mut current = None;
    let mut series = 0;
    for line in lines.lines() {
        let Some((mark, json)) = line.split_at_checked(1) else { continue };
        let is_read = match mark {
            "n" => node(json).map(|node| said.node = node).is_some(),
            "f" => match family(json) {
                Some((name, _))
                    if said.families.len() >= FAMILIES_MAX && !said.families.contains_key(&name) =>
                {
                    current = None;
                    said.left_out.too_many += 1;
                    true
                }
                Some((name, family)) => {
                    current = enter(&mut said.families, name, family);
                    current.is_some()
                }
                None => {
                    current = None;
                    false
                }
            },
            "s" => match current.as_ref().and_then(|name| said.families.get_mut(name)) {
                Some(family) => match sample(json).map(|sample| add(family, sample, &mut series)) {
                    Some(Added::TooMany) => {
                        said.left_out.too_many += 1;
                        true
                    }
                    Some(Added::Yes) => true,
                    Some(Added::No) | None => false,
                },
                // Its metric was counted.
                None => true,
            },
            _ => false,
        };
        said.left_out.malformed += u64::from(!is_read);
    }
    said.families.retain(|_, family| !family.series.is_empty());
    said.families.values_mut().flat_map(|family| family.series.values_mut()).for_each(finish);
    said
}

fn node(json: &str) -> Option<Node> {
    let node: Node = serde_json::from_str(json).ok()?;
    let is_short = |counts: &Option<BTreeMap<String, f64>>| counts.as_ref().is_none_or(|all| all.len() <= 40);
    let bounded = [&node.resources, &node.handles, &node.requests].into_iter().all(is_short);
    (bounded && node.spaces.len() <= 40 && node.version.len() <= 40).then_some(node)
}

fn family(json: &str) -> Option<(String, Family)> {
    let [name, help, kind, aggregate]: [String; 4] = serde_json::from_str(json).ok()?;
    let kind = Kind::ALL.into_iter().find(|known| known.word() == kind)?;
    let help: String = help.chars().take(HELP_MAX).collect();
    let aggregate = Aggregate::of_word(&aggregate);
    is_name(&name, true).then(|| (name, Family { help, kind, aggregate, series: BTreeMap::new() }))
}

/// Another registry of the same process may have a metric of that name: they share its series, and of two that are the same
/// the first counts. `None`: it is of another kind.
fn enter(families: &mut Families, name: String, family: Family) -> Option<String> {
    match families.get(&name) {
        Some(known) if known.kind != family.kind => return None,
        Some(_) => {}
        None => {
            families.insert(name.clone(), family);
        }
    }
    Some(name)
}

fn is_name(name: &str, colons: bool) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':');
    name.len() <= NAME_MAX
        && name.starts_with(is_first)
        && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

struct Sample {
    suffix: String,
    value: f64,
    labels: Labels,
}

fn sample(json: &str) -> Option<Sample> {
    let (suffix, value, labels): (String, Json, BTreeMap<String, String>) =
        serde_json::from_str(json).ok()?;
    let value = number(&value)?;
    let fits = |(name, value): (&String, &String)| {
        is_name(name, false) && !name.starts_with("__") && value.len() <= LABEL_MAX
    };
    (labels.len() <= LABELS_MAX && labels.iter().all(fits)).then_some(Sample { suffix, value, labels })
}

/// What JSON has no numbers for is text.
fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => bound(text),
        _ => None,
    }
}

fn bound(text: &str) -> Option<f64> {
    match text {
        "+Inf" | "Infinity" => Some(f64::INFINITY),
        "-Inf" | "-Infinity" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

enum Added {
    Yes,
    No,
    TooMany,
}

/// Samples of the same series may come in any order.
fn add(family: &mut Family, sample: Sample, series: &mut usize) -> Added {
    let Sample { suffix, value, mut labels } = sample;
    let part = match (family.kind, suffix.as_str()) {
        (Kind::Counter | Kind::Gauge, "") => Part::Number,
        (Kind::Histogram, "_bucket") => match labels.remove("le").as_deref().and_then(bound) {
            Some(bound) => Part::Of(bound),
            None => return Added::No,
        },
        (Kind::Summary, "") => match labels.remove("quantile").as_deref().and_then(bound) {
            Some(quantile) => Part::Of(quantile),
            None => return Added::No,
        },
        (Kind::Histogram | Kind::Summary, "_sum") => Part::Sum,
        (Kind::Histogram | Kind::Summary, "_count") => Part::Count,
        _ => return Added::No,
    };
    if !family.series.contains_key(&labels) {
        if *series >= SERIES_MAX {
            return Added::TooMany;
        }
        *series += 1;
        family.series.insert(labels.clone(), empty(family.kind));
        if matches!(part, Part::Number) {
            family.series.insert(labels, Value::Number(value));
            return Added::Yes;
        }
    }
    match family.series.get_mut(&labels) {
        Some(
            Value::Histogram { buckets: parts, sum, count } | Value::Summary { quantiles: parts, sum, count },
        ) => put(part, value, parts, sum, count),
        // A second one of the same: the first counts.
        _ => Added::Yes,
    }
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Number,
    Of(f64),
    Sum,
    Count,
}

fn empty(kind: Kind) -> Value {
    match kind {
        Kind::Counter | Kind::Gauge => Value::Number(0.0),
        Kind::Histogram => Value::Histogram { buckets: Vec::new(), sum: f64::NAN, count: f64::NAN },
        Kind::Summary => Value::Summary { quantiles: Vec::new(), sum: f64::NAN, count: f64::NAN },
    }
}

/// What has not come is nothing.
fn finish(value: &mut Value) {
    if let Value::Histogram { sum, count, .. } | Value::Summary { sum, count, .. } = value {
        [sum, count].into_iter().filter(|number| number.is_nan()).for_each(|number| *number = 0.0);
    }
}

fn put(part: Part, value: f64, parts: &mut Vec<(f64, f64)>, sum: &mut f64, count: &mut f64) -> Added {
    match part {
        Part::Of(key) => match parts.binary_search_by(|(known, _)| known.total_cmp(&key)) {
            Ok(_) => {}
            Err(_) if parts.len() >= PARTS_MAX => return Added::TooMany,
            Err(at) => parts.insert(at, (key, value)),
        },
        Part::Sum if sum.is_nan() => *sum = value,
        Part::Count if count.is_nan() => *count = value,
        Part::Sum | Part::Count | Part::Number => {}
    }
    Added::Yes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn all_kinds_are_read() {
        let said = read(concat!(
            r#"n{"version":"v22.1.0","lag":0.002,"active_ms":10,"spaces":{"new":[3,2,1]},"handles":{"Socket":4},"new":1}"#,
            "\n",
            r#"f["hits","Hits.","counter","sum"]"#,
            "\n",
            r#"s["",7,{"route":"/a"}]"#,
            "\n",
            r#"f["temperature","T.","gauge","average"]"#,
            "\n",
            r#"s["","NaN",{}]"#,
            "\n",
            r#"f["took","Took.","histogram","sum"]"#,
            "\n",
            r#"s["_bucket",3,{"le":"+Inf","a":"b"}]"#,
            "\n",
            r#"s["_bucket",1,{"le":"0.5","a":"b"}]"#,
            "\n",
            r#"s["_sum",4.5,{"a":"b"}]"#,
            "\n",
            r#"s["_count",3,{"a":"b"}]"#,
            "\n",
        ));
        assert_eq!(said.left_out, LeftOut::default());
        assert_eq!(
            (said.node.version.as_str(), said.node.lag, said.node.lag_min),
            ("v22.1.0", Some(0.002), None)
        );
        assert_eq!(said.node.spaces["new"], [3.0, 2.0, 1.0]);
        let hits = &said.families["hits"];
        assert_eq!((hits.kind, hits.help.as_str()), (Kind::Counter, "Hits."));
        assert_eq!(hits.series[&labels(&[("route", "/a")])], Value::Number(7.0));
        assert_eq!(said.families["temperature"].aggregate, Aggregate::Average);
        let buckets = vec![(0.5, 1.0), (f64::INFINITY, 3.0)];
        let expected = Value::Histogram { buckets, sum: 4.5, count: 3.0 };
        assert_eq!(said.families["took"].series[&labels(&[("a", "b")])], expected);
    }

    #[test]
    fn what_is_not_well_formed_is_left_out_and_counted() {
        for (lines, left_out) in [
            ("x\n", 1),
            ("n7\n", 1),
            ("f[\"a b\",\"\",\"gauge\",\"sum\"]\ns[\"\",1,{}]\n", 1),
            ("f[\"a\",\"\",\"untyped\",\"sum\"]\n", 1),
            ("f[\"1a\",\"\",\"gauge\",\"sum\"]\n", 1),
            ("s[\"\",1,{}]\n", 0),
            (
                "f[\"a\",\"\",\"gauge\",\"sum\"]\ns[\"_sum\",1,{}]\ns[\"\",null,{}]\ns[\"\",1,{\"a b\":\"\"}]\n",
                3,
            ),
            ("f[\"a\",\"\",\"gauge\",\"sum\"]\ns[\"\",1,{\"__a\":\"\"}]\ns[\"\",1,{\"a\":1}]\n", 2),
            ("f[\"a\",\"\",\"histogram\",\"sum\"]\ns[\"_bucket\",1,{}]\ns[\"\",1,{}]\n", 2),
        ] {
            let said = read(lines);
            assert_eq!((said.left_out.malformed, said.families.len()), (left_out, 0), "{lines}");
        }
    }

    #[test]
    fn two_registries_share_a_name_and_the_first_of_two_samples_counts() {
        let said = read(concat!(
            "f[\"a\",\"\",\"gauge\",\"sum\"]\ns[\"\",1,{\"b\":\"x\"}]\n",
            "f[\"a\",\"\",\"gauge\",\"sum\"]\ns[\"\",5,{\"b\":\"x\"}]\ns[\"\",2,{\"b\":\"y\"}]\n",
            "f[\"a\",\"\",\"counter\",\"sum\"]\ns[\"\",5,{\"b\":\"z\"}]\n",
        ));
        let series: Vec<_> = said.families["a"].series.values().collect();
        assert_eq!(series, [&Value::Number(1.0), &Value::Number(2.0)]);
        assert_eq!(said.left_out.malformed, 1);
    }

    #[test]
    fn series_are_bounded() {
        let mut lines = "f[\"a\",\"\",\"gauge\",\"sum\"]\n".to_owned();
        for index in 0..SERIES_MAX + 3 {
            lines.push_str(&format!("s[\"\",1,{{\"b\":\"{index}\"}}]\n"));
        }
        let said = read(&lines);
        assert_eq!((said.families["a"].series.len(), said.left_out.too_many), (SERIES_MAX, 3));
    }
}
