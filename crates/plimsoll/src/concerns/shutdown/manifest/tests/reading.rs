//! YAML, quantities, scripts, and the places of findings.

use proptest::prelude::*;

use super::super::{At, Choice, Position, autoscalers, examine, parse, quantity, script, workloads};
use super::{GOOD, findings, settings};

#[test]
fn a_finding_is_where_it_was_written() {
    let yaml = "\
# a comment
kind: ConfigMap
---
kind: List
items:
  - kind: Service
  - kind: Deployment
    metadata: { name: shop }
    spec:
      template:
        spec:
          terminationGracePeriodSeconds: 20
          containers:
            - name: proxy
            - name: app
              command: [plimsoll, run, --, node, x]
              resources: { limits: { memory: 512Mi } }
              livenessProbe:
                httpGet:
                  path: /readyz
                  port: 9797
";
    let found = findings(yaml, &settings());
    let places: Vec<_> =
        found.iter().map(|each| (each.position.line, each.position.column, &*each.path)).collect();
    assert_eq!(
        places,
        [
            (12, 11, "items[1].spec.template.spec.terminationGracePeriodSeconds"),
            (15, 15, "items[1].spec.template.spec.containers[1].readinessProbe"),
            (20, 19, "items[1].spec.template.spec.containers[1].livenessProbe.httpGet.path"),
        ]
    );
}

#[test]
fn anchors_merge_and_repeated_keys_are_errors() {
    let merged = parse("a: &a { x: 1, y: 2 }\nb: { <<: *a, y: 3 }").unwrap();
    let root = At::root(&merged[0]);
    assert_eq!(root.descend(&["b", "x"]).unwrap().text(), Some("1"));
    assert_eq!(root.descend(&["b", "y"]).unwrap().text(), Some("3"));
    let error = |yaml: &str| parse(yaml).unwrap_err();
    let twice = error("a: 1\nb:\n  c: 1\n  c: 2\n");
    assert_eq!(
        (twice.what.as_str(), twice.position),
        ("the key `c` stands here twice", Position { line: 4, column: 3 })
    );
    assert_eq!(error("a: b: c\n").position.line, 1);
    assert_eq!(error("a: 1\nb: [1, 2\n").position.line, 3);
    assert!(error(&"[".repeat(100)).what.starts_with("nested deeper"));
}

#[test]
fn aliases_do_not_blow_up() {
    let wide: String = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1)
    });
    assert!(parse(&wide).unwrap_err().what.starts_with("more than"));
    let deep: String =
        (1..100).fold("a0: &a0 [x]\n".to_owned(), |text, n| format!("{text}a{n}: &a{n} [*a{}]\n", n - 1));
    assert!(parse(&deep).unwrap_err().what.starts_with("nested deeper"));
    assert!(parse("a: &a [*a]").is_err());
}

#[test]
fn quantities_are_those_of_kubernetes() {
    for (text, expected) in [
        ("512Mi", Some(536_870_912.0)),
        ("1G", Some(1e9)),
        ("1e9", Some(1e9)),
        ("250m", Some(0.25)),
        ("2", Some(2.0)),
        (".5", Some(0.5)),
        ("1E", Some(1e18)),
        ("Mi", None),
        ("inf", None),
        ("-1", None),
        ("1 Gi", None),
        ("", None),
    ] {
        assert_eq!(quantity::parse(text), expected, "{text}");
    }
}

#[test]
fn a_script_is_taken_apart_as_a_shell_would() {
    for (script, expected) in [
        ("a b; c", &[&["a", "b"][..], &["c"]][..]),
        ("a 'b c' \"d \\\" e\"&&f", &[&["a", "b c", "d \" e"], &["f"]]),
        ("a \\\n  b\nc", &[&["a", "b"], &["c"]]),
        ("a ''", &[&["a", ""]]),
        ("a 'open", &[&["a", "open"]]),
        ("a >b 2>&1 | c &>d; e >|f", &[&["a", ">b", "2>&1"], &["c", "&>d"], &["e", ">|f"]]),
        ("cd \"$(dirname \"$0\")\" && a=$(b (c)) d", &[&["cd", "$(dirname $0)"], &["a=$(b (c))", "d"]]),
        ("# a; b\nc#d # e", &[&["c#d"]]),
    ] {
        assert_eq!(script::statements(script), expected, "{script}");
    }
}

#[test]
fn what_stands_between_statements_is_known_and_where_words_begin() {
    let script = script::parse("é=1 a && \"b\" ||\n c &\n");
    let seen: Vec<_> =
        script.statements.iter().map(|each| (each.before.as_str(), each.words.len())).collect();
    assert_eq!((seen, script.after.as_str()), (vec![("", 2), ("&&", 1), ("||\n", 1)], "&\n"));
    let places: Vec<_> = script.statements.iter().flat_map(|each| &each.words).map(|word| word.at).collect();
    assert_eq!(places, [0, 5, 10, 18]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        if let Ok(documents) = parse(&text) {
            prop_assert!(workloads(&documents, &autoscalers(&documents)).len() <= text.len());
        }
    }

    /// A manifest with pieces put in at random places: near enough to be read, wrong enough to surprise.
    #[test]
    fn no_manifest_makes_it_panic(
        cuts in prop::collection::vec((0_usize..700, "[-:{}\\[\\]&*!|>'\"%#, \n a0~<]{0,6}"), 0..4),
        value in "[0-9a-zA-Z%.:/~-]{0,20}",
    ) {
        let mut yaml = GOOD.yaml().replace("512Mi", &value);
        for (at, piece) in cuts {
            if let Some((at, _)) = yaml.char_indices().nth(at) {
                yaml.insert_str(at, &piece);
            }
        }
        if let Ok(documents) = parse(&yaml) {
            for workload in &workloads(&documents, &autoscalers(&documents)) {
                if let Choice::Certain(container) | Choice::Only(container) = workload.choose(None) {
                    prop_assert!(examine(workload, &container, &settings()).len() < 20);
                }
            }
        }
    }
}
