use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::observe::control::Reading;

const HITS: &str = "f[\"hits\",\"Hits.\",\"counter\",\"sum\"]\ns[\"\",%,{\"a\":\"b\"}]\n";

fn worker(index: u16, incarnation: u32) -> WorkerId {
    WorkerId { index, incarnation }
}

/// Answers of processes, each the first of its worker; `None`: it is late.
fn readings(id: u32, said: &[(WorkerId, Option<String>)]) -> Readings {
    let one = |(worker, lines): &(WorkerId, Option<String>)| Reading {
        worker: *worker,
        channel: 1,
        lines: lines.as_deref().map(Into::into),
        left_out: 0,
    };
    Readings { id, processes: said.iter().map(one).collect() }
}

fn hits(count: u32) -> Option<String> {
    Some(HITS.replace('%', &count.to_string()))
}

fn text(apps: &Apps, each: bool) -> String {
    apps.show(each, Format::Classic, BTreeSet::new(), Instant::now()).text
}

fn sample(apps: &Apps) -> String {
    text(apps, false).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_sum_goes_on_when_a_process_is_replaced() {
    let apps = Apps::new(AppMetrics::Merge);
    let now = Instant::now();
    apps.take(&readings(1, &[(worker(0, 1), hits(10)), (worker(1, 1), hits(5))]), now);
    assert_eq!(sample(&apps), "hits{a=\"b\"} 15");
    apps.take(&readings(2, &[(worker(0, 2), hits(1)), (worker(1, 1), hits(6))]), now);
    assert_eq!(sample(&apps), "hits{a=\"b\"} 17");
    apps.take(&readings(3, &[(worker(1, 1), hits(6))]), now);
    assert_eq!(sample(&apps), "hits{a=\"b\"} 17");
    // Nobody is there who could say what it means.
    apps.take(&readings(4, &[]), now);
    assert_eq!(text(&apps, false), "");
    apps.take(&readings(5, &[(worker(0, 3), hits(2))]), now);
    assert_eq!(sample(&apps), "hits{a=\"b\"} 19");
}

#[test]
fn who_is_late_is_shown_as_it_was_and_counted() {
    let apps = Apps::new(AppMetrics::Merge);
    let now = Instant::now();
    apps.take(&readings(1, &[(worker(0, 1), hits(10)), (worker(1, 1), hits(5))]), now);
    apps.take(&readings(2, &[(worker(0, 1), None), (worker(1, 1), hits(6)), (worker(2, 1), None)]), now);
    assert_eq!(sample(&apps), "hits{a=\"b\"} 16");
    let shown = apps.show(false, Format::Classic, BTreeSet::new(), now + Duration::from_secs(15));
    assert_eq!(shown.late, BTreeMap::from([(0, 1), (2, 1)]));
    assert_eq!(shown.ages, BTreeMap::from([(0, Duration::from_secs(15)), (1, Duration::ZERO)]));
}

#[test]
fn each_worker_is_shown_by_itself_on_request() {
    let apps = Apps::new(AppMetrics::Merge);
    let own = "f[\"hits\",\"Hits.\",\"counter\",\"sum\"]\ns[\"\",7,{\"worker\":\"x\"}]\n";
    apps.take(&readings(1, &[(worker(0, 1), hits(10)), (worker(1, 1), Some(own.into()))]), Instant::now());
    let text = text(&apps, true);
    for line in [r#"hits{a="b",worker="0"} 10"#, r#"hits{exported_worker="x",worker="1"} 7"#] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_name_of_ours_is_ours_and_one_that_is_part_of_another_is_left_out() {
    let apps = Apps::new(AppMetrics::Merge);
    let gauge = |name: &str| format!("f[\"{name}\",\"\",\"gauge\",\"sum\"]\ns[\"\",1,{{}}]\n");
    let took = "f[\"took\",\"\",\"histogram\",\"sum\"]\ns[\"_sum\",1,{}]\n";
    let lines = [gauge("plimsoll_workers"), gauge("took_count"), took.to_owned(), gauge("took_max")].concat();
    apps.take(&readings(1, &[(worker(0, 1), Some(lines))]), Instant::now());
    let ours = BTreeSet::from(["plimsoll_workers".to_owned()]);
    let shown = apps.show(false, Format::Classic, ours, Instant::now());
    let names: Vec<&str> = shown.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(names, ["took histogram", "took_max gauge"]);
    assert_eq!(shown.left_out["name"], 2);
}

#[test]
fn omitted_metrics_are_only_shown_for_each_worker() {
    let apps = Apps::new(AppMetrics::Merge);
    let lines = "f[\"a\",\"\",\"gauge\",\"omit\"]\ns[\"\",1,{}]\n";
    apps.take(&readings(1, &[(worker(0, 1), Some(lines.into()))]), Instant::now());
    assert_eq!(text(&apps, false), "");
    assert!(text(&apps, true).contains("a{worker=\"0\"} 1"));
}

#[test]
fn the_share_of_a_loop_is_that_between_two_answers_and_whoever_is_late_is_busy() {
    let apps = Apps::new(AppMetrics::Merge);
    let node = |active: u32, idle: u32| Some(format!("n{{\"active_ms\":{active},\"idle_ms\":{idle}}}\n"));
    let share = |id, lines| {
        apps.take(
            &readings(id, &[(worker(0, 1), lines), (worker(1, 1), node(id * 1000, 0))]),
            Instant::now(),
        );
        apps.show(false, Format::Classic, BTreeSet::new(), Instant::now())
    };
    let of_first = |shown: Shown| shown.shares[&0];
    assert!((of_first(share(1, node(200, 800))) - 0.2).abs() < 1e-9);
    assert!((of_first(share(2, node(1100, 900))) - 0.9).abs() < 1e-9);
    // Too soon to say anything else.
    assert!((of_first(share(3, node(1100, 1000))) - 0.9).abs() < 1e-9);
    let shown = share(4, None);
    assert!((shown.share().unwrap() - 1.0).abs() < 1e-9);
    assert!((of_first(share(5, node(1200, 1900))) - 0.0909).abs() < 1e-3);
}

#[test]
fn whoever_has_never_answered_is_busy() {
    let apps = Apps::new(AppMetrics::Merge);
    apps.take(&readings(1, &[(worker(0, 1), None)]), Instant::now());
    let shown = apps.show(false, Format::Classic, BTreeSet::new(), Instant::now());
    assert_eq!((shown.shares, shown.nodes.len()), (BTreeMap::from([(0, 1.0)]), 0));
}

#[test]
fn the_time_of_a_loop_goes_on_when_a_process_of_the_worker_has_gone() {
    let apps = Apps::new(AppMetrics::Merge);
    let node = |worker, channel, active: u32| Reading {
        worker,
        channel,
        lines: Some(format!("n{{\"active_ms\":{active},\"idle_ms\":{}}}\n", 2 * active).into()),
        left_out: 0,
    };
    let shown = |id, processes| {
        apps.take(&Readings { id, processes }, Instant::now());
        let shown = apps.show(false, Format::Classic, BTreeSet::new(), Instant::now());
        (shown.nodes[&0].active_ms, shown.nodes[&0].idle_ms)
    };
    let (old, new) = (worker(0, 1), worker(0, 2));
    assert_eq!(shown(1, vec![node(old, 1, 1000), node(old, 2, 5000)]), (6000.0, 12000.0));
    assert_eq!(shown(2, vec![node(old, 1, 1500)]), (6500.0, 13000.0));
    assert_eq!(shown(3, vec![node(new, 3, 10)]), (6510.0, 13020.0));
}

#[test]
fn text_is_what_both_formats_want() {
    let lines = concat!(
        "f[\"a_total\",\"A \\\"b\\\"\\nc.\",\"counter\",\"sum\"]\ns[\"\",1,{\"x\":\"\\\"\\\\\\n\"}]\n",
        "f[\"b\",\"B.\",\"counter\",\"sum\"]\ns[\"\",1.5,{}]\n",
        "f[\"c\",\"C.\",\"histogram\",\"sum\"]\n",
        "s[\"_bucket\",2,{\"le\":\"1\"}]\ns[\"_bucket\",1,{\"le\":\"5\"}]\ns[\"_sum\",3,{}]\ns[\"_count\",4,{}]\n",
        "f[\"d\",\"D.\",\"summary\",\"sum\"]\ns[\"\",\"NaN\",{\"quantile\":\"0.5\"}]\ns[\"_sum\",3,{}]\ns[\"_count\",4,{}]\n",
    );
    let apps = Apps::new(AppMetrics::Merge);
    apps.take(&readings(1, &[(worker(0, 1), Some(lines.into()))]), Instant::now());
    let classic = r#"# HELP a_total A "b"\nc.
# TYPE a_total counter
a_total{x="\"\\\n"} 1
# HELP b B.
# TYPE b counter
b 1.5
# HELP c C.
# TYPE c histogram
c_bucket{le="1"} 2
c_bucket{le="5"} 2
c_bucket{le="+Inf"} 4
c_sum 3
c_count 4
# HELP d D.
# TYPE d summary
d{quantile="0.5"} NaN
d_sum 3
d_count 4
"#;
    assert_eq!(text(&apps, false), classic);
    let open = classic
        .replace("HELP a_total A \"b\"", "HELP a A \\\"b\\\"")
        .replace("TYPE a_total", "TYPE a")
        .replace("TYPE b counter", "TYPE b unknown")
        .replace("le=\"1\"", "le=\"1.0\"")
        .replace("le=\"5\"", "le=\"5.0\"");
    assert_eq!(apps.show(false, Format::OpenMetrics, BTreeSet::new(), Instant::now()).text, open);
}

#[test]
fn nobody_is_asked_again_at_once() {
    let apps = Apps::new(AppMetrics::Off);
    let now = Instant::now();
    assert_eq!(apps.asks(now), Some(false));
    apps.take(&readings(1, &[]), now);
    assert_eq!(apps.asks(now + FRESH_FOR / 2), None);
    assert_eq!(Apps::new(AppMetrics::Each).asks(now + FRESH_FOR), Some(true));
}

/// Lines as a process may say them, and some that none should.
fn said() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-z_]{1,3}",
        "\\PC{0,4}",
        Just("worker".to_owned()),
        Just("le".to_owned()),
        Just("a\\\"\n".to_owned())
    ];
    let kind = prop_oneof![Just("counter"), Just("gauge"), Just("histogram"), Just("summary"), Just("odd")];
    let suffix = prop_oneof![Just(""), Just("_bucket"), Just("_sum"), Just("_count"), Just("_odd")];
    let value = prop_oneof![any::<f64>().prop_map(|number| number.to_string()), Just("+Inf".to_owned())];
    let labels = prop::collection::btree_map(text.clone(), text.clone(), 0..3);
    let family =
        (text, kind).prop_map(|(name, kind)| format!("f{}", serde_json::json!([name, name, kind, "sum"])));
    let sample = (suffix, value.clone(), labels, value).prop_map(|(suffix, value, mut labels, part)| {
        labels.insert("le".to_owned(), part.clone());
        labels.insert("quantile".to_owned(), part);
        format!("s{}", serde_json::json!([suffix, value, labels]))
    });
    prop_oneof![1 => family, 3 => sample, 1 => "\\PC{0,20}"]
}

proptest! {
    #[test]
    fn whatever_a_process_says_the_page_is_well_formed(
        lines in prop::collection::vec(said(), 0..40),
        each: bool,
        is_open: bool,
    ) {
        let apps = Apps::default();
        let (first, second) = lines.split_at(lines.len() / 2);
        let said = [(worker(0, 1), Some(first.join("\n"))), (worker(1, 1), Some(second.join("\n")))];
        apps.take(&readings(1, &said), Instant::now());
        let format = if is_open { Format::OpenMetrics } else { Format::Classic };
        let text = apps.show(each, format, BTreeSet::new(), Instant::now()).text;
        let line = Regex::new(concat!(
            r#"^(?:# (?:HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .*|"#,
            r#"[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*",?)+\})? "#,
            r#"(?:[+-]Inf|NaN|-?[0-9.]+))$"#
        )).unwrap();
        let mut series = BTreeSet::new();
        for one in text.lines() {
            prop_assert!(line.is_match(one), "{one:?}");
            let (name, _) = one.rsplit_once(' ').unwrap();
            prop_assert!(one.starts_with('#') || series.insert(name.to_owned()), "{one:?} comes twice");
        }
    }
}
