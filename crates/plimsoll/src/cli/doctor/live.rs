//! What is wrong with a running instance, for people: the worst first, and for each what it costs, what was seen, where,
//! and what to do.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::ArgMatches;

use crate::cli::{instance, output};
use crate::exit::Exit;
use crate::observe::findings::{Finding, Findings};
use crate::observe::units;

/// 0: nothing was found; 1: something was, or nobody can say.
pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    let findings = match instance::pick(instance::name(arguments)).and_then(|instance| instance.findings()) {
        Ok(findings) => findings,
        Err(error) => return instance::fail(&error),
    };
    let text = match output::wants_json(arguments) {
        true => output::json_line(&findings),
        false => render(&findings),
    };
    let printed = output::print(&text);
    if is_clean(&findings) { printed } else { Exit::Failure.into() }
}

/// A script must not take "nothing was looked at" for "nothing was found".
fn is_clean(findings: &Findings) -> bool {
    findings.findings.is_empty() && findings.too_little.is_none()
}

pub(in crate::cli) fn render(findings: &Findings) -> String {
    let mut text = headline(findings);
    for (number, finding) in (1..).zip(&findings.findings) {
        describe(&mut text, number, finding, findings.seconds);
    }
    if findings.left_out > 0 {
        let _ = writeln!(text, "\nand {} more that hurt less", findings.left_out);
    }
    if !findings.findings.is_empty()
        && let Some(why) = &findings.too_little
    {
        let _ = writeln!(text, "\nnote: too little for more than that: {why}");
    }
    for note in &findings.notes {
        let _ = writeln!(text, "\nnote: {note}");
    }
    text
}

/// `shop: 2 findings in the last 5m 2s (12400 requests; clients waited 1.2 s in every second)`
fn headline(findings: &Findings) -> String {
    let Findings { name, seconds, requests, .. } = findings;
    let what = match (findings.findings.len() + findings.left_out, &findings.too_little) {
        (0, Some(why)) => return format!("{name}: too little to judge: {why}\n"),
        (0, None) => "nothing found".to_owned(),
        (1, _) => "1 finding".to_owned(),
        (count, _) => format!("{count} findings"),
    };
    let time = match findings.since_start {
        true => format!("since the start {} ago", units::age(*seconds)),
        false => format!("in the last {}", units::age(*seconds)),
    };
    format!("{name}: {what} {time} ({requests} requests)\n")
}

/// `of`: how many seconds were judged.
fn describe(text: &mut String, number: usize, finding: &Finding, of: u64) {
    let Finding { severity, what, cost, seen, at, fix, acts, .. } = finding;
    let _ = writeln!(text, "\n{number}. {}: {what}", severity.as_str());
    let lately = (finding.seconds < of).then(|| format!("only in the last {}", units::age(finding.seconds)));
    let seen = lately.iter().chain(seen).map(|line| ("seen", line.as_str()));
    let cost = cost.iter().map(|line| ("costs", line.as_str()));
    let at = at.iter().map(|line| ("at", line.as_str()));
    let acts = acts.iter().map(|line| ("plimsoll", line.as_str()));
    for (title, line) in cost.chain(seen).chain(at).chain([("fix", fix.as_str())]).chain(acts) {
        let _ = writeln!(text, "   {title:<9} {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::findings::Severity;

    fn some() -> Findings {
        Findings {
            name: "shop".into(),
            seconds: 302,
            requests: 12_400,
            findings: vec![Finding {
                code: "stall".into(),
                severity: Severity::Critical,
                seconds: 302,
                what: "POST /login blocks the event loop in pbkdf2Sync, hash (server.js)".into(),
                cost: Some("clients wait 820 ms in every second for it, 64 % of all their waiting".into()),
                seen: vec!["12 stalls, 4.2 s together and 480 ms at worst".into()],
                at: Some("server.js:14".into()),
                fix: "the same function without Sync runs on another thread".into(),
                acts: Some("requests that wait are taken to another worker".into()),
                ..Finding::default()
            }],
            ..Findings::default()
        }
    }

    #[test]
    fn the_worst_stands_first_with_what_to_do() {
        let expected = "\
shop: 1 finding in the last 5m 2s (12400 requests)

1. critical: POST /login blocks the event loop in pbkdf2Sync, hash (server.js)
   costs     clients wait 820 ms in every second for it, 64 % of all their waiting
   seen      12 stalls, 4.2 s together and 480 ms at worst
   at        server.js:14
   fix       the same function without Sync runs on another thread
   plimsoll  requests that wait are taken to another worker
";
        assert_eq!(render(&some()), expected);
    }

    #[test]
    fn what_has_begun_lately_says_so() {
        let mut findings = some();
        findings.findings[0].seconds = 12;
        assert!(render(&findings).contains("   seen      only in the last 12s\n   seen      12 stalls"));
    }

    #[test]
    fn nothing_found_is_an_answer_and_too_little_to_judge_another() {
        let calm = Findings { findings: Vec::new(), since_start: true, ..some() };
        assert_eq!(render(&calm), "shop: nothing found since the start 5m 2s ago (12400 requests)\n");
        let young = Findings { too_little: Some("it has run for 2 s".into()), ..calm.clone() };
        assert_eq!(render(&young), "shop: too little to judge: it has run for 2 s\n");
        assert_eq!([&calm, &young, &some()].map(is_clean), [true, false, false]);
        let both = Findings { too_little: Some("3 requests".into()), ..some() };
        assert!(render(&both).ends_with("note: too little for more than that: 3 requests\n"));
    }
}
