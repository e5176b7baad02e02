//! Whole manifests in, what is answered out.

use super::*;
use crate::cli::command as whole;
use crate::concerns::shutdown::manifest::Code;

const PACKAGED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/k8s/deployment.yaml");

fn examine(yaml: &str, question: Question<'_>) -> Result<Report, Mistake> {
    question.examine(&[File::parse("m.yaml".to_owned(), yaml)?])
}

/// A pod with one container, called `app`.
fn pod(container: &str) -> String {
    format!(
        "kind: Pod\nmetadata: {{ name: shop }}\nspec:\n  containers:\n    - name: app\n      {container}\n"
    )
}

fn codes(yaml: &str) -> Vec<&'static str> {
    let report = examine(yaml, Question::default()).unwrap();
    report.examined.iter().flat_map(|examined| examined.findings.iter().map(|found| found.code)).collect()
}

#[test]
fn the_packaged_manifest_has_no_findings_and_no_notes() {
    let report = Question::default().examine(&[File::read(Path::new(PACKAGED)).unwrap()]).unwrap();
    assert!(report.is_clean() && report.notes.is_empty(), "{}", report.text());
    assert!(report.text().contains("2 workers; admin 0.0.0.0:9797; delay 5s, "), "{}", report.text());
}

#[test]
fn an_autoscaler_of_another_file_is_seen() {
    let packaged = |name: &str| {
        let folder = Path::new(PACKAGED).parent().unwrap();
        File::read(&folder.join(name)).unwrap()
    };
    let deployment = std::fs::read_to_string(PACKAGED).unwrap();
    let risky =
        deployment.replace("replicas: 2", "replicas: 1").replace("maxUnavailable: 0", "maxUnavailable: 1");
    let found = |scaler: Option<&str>| {
        let deployment = File::parse("deployment.yaml".to_owned(), &risky).unwrap();
        let files: Vec<File> = scaler.map(packaged).into_iter().chain([deployment]).collect();
        let report = Question::default().examine(&files).unwrap();
        report.examined[0].findings.iter().map(|found| found.code).collect::<Vec<_>>()
    };
    assert_eq!(found(None), ["deploy_is_outage"]);
    for scaler in ["autoscaling-hpa.yaml", "autoscaling-keda.yaml"] {
        assert_eq!(found(Some(scaler)), Vec::<&str>::new(), "{scaler}");
    }
}

#[test]
fn settings_are_those_of_the_container() {
    const OPEN: &str = "admin_unreachable";
    let probe = "readinessProbe: { httpGet: { path: /readyz, port: 9797 } }";
    for (container, open) in [
        ("command: [plimsoll, run, --, node, x]", false),
        ("command: [plimsoll, run, --admin, '0.0.0.0:9797', --, node, x]", true),
        ("command: [plimsoll]\n      args: [run, '--admin=0.0.0.0:9797', node, x]", true),
        ("args: [run, --admin, '0.0.0.0:9797', --, node, x]", true),
        ("command: [sh, -c, 'exec plimsoll run --admin 0.0.0.0:9797 -- node x']", true),
        // A flag of the app is not ours.
        ("command: [plimsoll, run, --, node, x, --admin, '0.0.0.0:9797']", false),
        ("env: [{ name: PLIMSOLL_ADMIN, value: '0.0.0.0:9797' }]", true),
        // A flag is stronger than a variable, the last variable stronger than the first.
        (
            "command: [plimsoll, run, --admin, '127.0.0.1:9797', x]\n      env: [{ name: PLIMSOLL_ADMIN, value: \
             '0.0.0.0:9797' }]",
            false,
        ),
        (
            "env: [{ name: PLIMSOLL_ADMIN, value: '0.0.0.0:9797' }, { name: PLIMSOLL_ADMIN, value: 'off' }]",
            false,
        ),
    ] {
        let yaml = pod(&format!("{container}\n      {probe}"));
        assert_eq!(codes(&yaml).contains(&OPEN), !open, "{yaml}");
    }
}

#[test]
fn the_settings_file_of_the_doctor_stands_for_that_of_the_container() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plimsoll.toml");
    std::fs::write(&path, "[shutdown]\ngrace = \"3s\"\n").unwrap();
    let yaml = pod("command: [plimsoll, run, --config, /etc/plimsoll.toml, --, node, x]");
    let without = examine(&yaml, Question::default()).unwrap();
    assert!(without.notes[0].to_string().contains("/etc/plimsoll.toml is not seen; --config FILE"));
    let with = Question { config: Some(&path), container: None };
    let report = examine(&yaml, with).unwrap();
    assert!(report.notes.is_empty() && report.text().contains("grace 3s"), "{}", report.text());
    std::fs::write(&path, "[shutdwn]\n").unwrap();
    assert!(matches!(examine(&yaml, with), Err(Mistake::Settings(_))));
}

#[test]
fn settings_that_would_not_start_are_found_where_they_are() {
    for (container, line, what) in [
        (
            "env:\n        - { name: A, value: b }\n        - { name: PLIMSOLL_WORKERS_COUNT, value: many }",
            8,
            "workers.count: ",
        ),
        ("env:\n        - { name: PLIMSOLL_WORKERZ_COUNT, value: '2' }", 7, "unknown variable"),
        ("command: [plimsoll, run, --wrkers, '2', --, node]", 6, "unexpected argument '--wrkers' found"),
        ("command: [plimsoll]\n      args: [run, --workers, many, node]", 7, "workers.count: "),
    ] {
        let report = examine(&pod(container), Question::default()).unwrap();
        let found: Vec<_> =
            report.examined[0].findings.iter().map(|found| (found.code, found.line)).collect();
        assert_eq!(found, [("settings_invalid", line)], "{container}");
        assert!(report.text().contains(what), "{}", report.text());
    }
}

#[test]
fn what_a_manifest_does_not_hold_is_noted() {
    for (container, note) in [
        ("image: shop", "plimsoll is not in its command; taken to be in its image"),
        ("image: shop\n      envFrom: [{ secretRef: { name: s } }]", "variables of `envFrom` are not seen"),
        (
            "env: [{ name: PLIMSOLL_ADMIN, valueFrom: { configMapKeyRef: { name: c, key: k } } }]",
            "PLIMSOLL_ADMIN comes from elsewhere; its default is assumed",
        ),
        ("env: [{ name: PLIMSOLL_ADMIN, value: '$(POD_IP):9797' }]", "PLIMSOLL_ADMIN comes from elsewhere"),
        ("command: [plimsoll, run, --workers, $(N), x]", "--workers $(N) is not known before it runs"),
    ] {
        let report = examine(&pod(container), Question::default()).unwrap();
        let notes: Vec<String> = report.notes.iter().map(ToString::to_string).collect();
        assert!(notes.iter().any(|each| each.contains(note)), "{container}: {notes:?}");
    }
}

#[test]
fn a_secret_of_the_settings_file_is_set_where_the_manifest_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plimsoll.toml");
    let sink = "[[logs.sink]]\ntype = 'otlp'\nurl = 'http://c'\n[logs.sink.headers]\nA = '${LOG_TOKEN}'\n";
    std::fs::write(&path, sink).unwrap();
    let question = Question { config: Some(&path), container: None };
    let of_secret = "valueFrom: { secretKeyRef: { name: s, key: k } }";
    for (variables, is_seen) in [
        (format!("env: [{{ name: LOG_TOKEN, {of_secret} }}]"), false),
        ("env: [{ name: LOG_TOKEN, value: 'a $(B)' }]".to_owned(), false),
        ("envFrom: [{ secretRef: { name: s } }]".to_owned(), false),
        ("env: [{ name: LOG_TOKEN, value: a }]".to_owned(), true),
        ("env: [{ name: LOG_TOKEN }]".to_owned(), true),
    ] {
        let report = examine(&pod(&variables), question).unwrap();
        assert!(report.text().contains("held against: "), "{}", report.text());
        let note = "${LOG_TOKEN} comes from elsewhere; its value is not seen";
        let is_told = report.notes.iter().any(|each| each.to_string().contains(note));
        assert_eq!(is_told, !is_seen, "{variables}");
    }
    for variables in ["image: shop".to_owned(), format!("env: [{{ name: OTHER, {of_secret} }}]")] {
        let mistake = examine(&pod(&variables), question).unwrap_err().to_string();
        assert!(mistake.contains("the environment has no `LOG_TOKEN`"), "{mistake}");
    }
}

#[test]
fn the_container_is_the_one_that_shows_plimsoll() {
    let several = "kind: Pod\nspec:\n  containers:\n    - { name: a, image: shop }\n    - { name: b, image: ";
    let redis =
        "---\nkind: Deployment\nspec: { template: { spec: { containers: [{ name: redis }] } } }\n---\n";
    let job = "kind: Job\nspec: { template: { spec: { containers: [{ name: migrate }] } } }\n";
    for (yaml, named, expected) in [
        (format!("{several} 'shop-plimsoll:1' }}\n"), None, Some("b")),
        (format!("{several} envoy }}\n"), None, None),
        (format!("{several} envoy }}\n"), Some("a"), Some("a")),
        (format!("{several} envoy }}\n"), Some("c"), None),
        (format!("{}{redis}{job}", pod("command: [plimsoll, run, x]")), None, Some("app")),
        (job.to_owned(), None, None),
        ("kind: Service\n".to_owned(), None, None),
        (String::new(), None, None),
    ] {
        let report = examine(&yaml, Question { container: named, config: None });
        let text = report.map(|report| report.text()).unwrap_or_default();
        let of_container = text.matches(", container ").count();
        assert_eq!(of_container, usize::from(expected.is_some()), "{yaml}\n{text}");
        assert!(
            text.contains(&format!(", container {}", expected.unwrap_or_default())) || expected.is_none()
        );
    }
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    for (yaml, expected) in [
        ("a: [1, 2\nb: 3\n", "m.yaml:2:"),
        ("a: 1\na: 2\n", "m.yaml:2:1"),
        ("a: {{ .Values.a }}\n", "helm template"),
        ("kind: Service\n", "name a file with a Deployment"),
    ] {
        let mistake = examine(yaml, Question::default()).unwrap_err().to_string();
        assert!(mistake.contains(expected), "{mistake}");
    }
    let missing = File::read(Path::new("no/such/file.yaml")).err().map(|mistake| mistake.to_string());
    assert!(missing.is_some_and(|text| text.contains("   at: no/such/file.yaml\n")));
}

#[test]
fn the_answer_is_text_for_people_and_json_for_scripts() {
    let yaml = pod("command: [plimsoll, run, --, node, x]\n      resources: { limits: { memory: 1Gi } }");
    let report = examine(&yaml, Question::default()).unwrap();
    let text = report.text();
    assert!(
        text.starts_with("m.yaml:1: Pod shop, container app\n  held against: 1 worker; admin 127."),
        "{text}"
    );
    assert!(text.contains("   at: m.yaml:3:1 spec.terminationGracePeriodSeconds\n"), "{text}");
    assert!(text.ends_with("\n1 error, 1 warning\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    let finding = &json["examined"][0]["findings"][0];
    assert_eq!(finding["code"], "termination_grace_too_short");
    assert_eq!((&finding["severity"], &finding["line"]), (&"error".into(), &3.into()));
}

#[test]
fn the_verb_takes_files_or_an_instance() {
    let parse = |line: &str| whole().try_get_matches_from(line.split_whitespace());
    let matches = parse("plimsoll doctor --k8s a.yaml b.yaml --json --k8s -").unwrap();
    let (_, of_verb) = matches.subcommand().unwrap();
    let files: Vec<&PathBuf> = of_verb.get_many(FILES).unwrap().collect();
    assert_eq!(files, ["a.yaml", "b.yaml", "-"].map(Path::new));
    for wrong in ["--container a", "--config a.toml", "--name a --k8s b.yaml", "--k8s"] {
        assert_eq!(parse(&format!("plimsoll doctor {wrong}")).unwrap_err().exit_code(), 2, "{wrong}");
    }
    assert!(parse("plimsoll doctor --name shop --json").is_ok());
}

#[test]
fn the_exit_code_tells_findings_from_files_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string()
    };
    for (path, expected) in [
        (PACKAGED.into(), Exit::Drained),
        (write("findings.yaml", &pod("command: [plimsoll, run, --, node, x]")), Exit::Failure),
        (write("broken.yaml", "a: [1\n"), Exit::Usage),
        (write("service.yaml", "kind: Service\n"), Exit::Usage),
        (directory.path().join("none.yaml").into_os_string(), Exit::Usage),
    ] {
        let arguments = ["plimsoll".into(), "doctor".into(), "--k8s".into(), path.clone()];
        let matches = whole().try_get_matches_from(arguments).unwrap();
        let (_, of_verb) = matches.subcommand().unwrap();
        assert_eq!(exit(&answer(of_verb)), expected, "{}", path.display());
    }
}

#[test]
fn the_operators_page_lists_every_code_with_its_severity() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operate/README.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("\n## Kubernetes").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let cells = |row: &str| row.split('|').skip(1).take(2).map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = section.lines().filter(|line| line.starts_with("| `")).map(cells).collect();
    let expected =
        Code::ALL.map(|code| vec![format!("`{}`", code.as_str()), code.severity().as_str().to_owned()]);
    assert_eq!(rows, expected);
}
