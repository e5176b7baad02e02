//! The same bytes to plain Node and to Plimsoll: the same answer, or a refusal that lets nothing through.

mod cases;
mod table;

use serde_json::Value;

use crate::clients;
use crate::harness::{App, Client, Launch, Response, Server};
use cases::{Case, Expect};

pub(crate) const ECHO: &str = include_str!("../apps/echo.js");

#[test]
fn every_request_arrives_as_at_plain_node_or_is_refused() {
    let plain = Launch::plain(App::source(ECHO)).start();
    let plimsoll = Launch::plimsoll(App::source(ECHO)).start();
    let mut failures = Vec::new();
    let cases = table::cases();
    assert!(cases.len() >= 80, "{} cases", cases.len());
    for case in &cases {
        if let Err(failure) = check(case, &plain, &plimsoll) {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// Plain Node takes the place of Plimsoll, which keeps the table honest: what must be the same is stable
/// from one run to the next.
#[test]
fn plain_node_answers_the_accepted_requests_the_same_twice() {
    let (one, two) = (Launch::plain(App::source(ECHO)).start(), Launch::plain(App::source(ECHO)).start());
    for case in table::cases().iter().filter(|case| matches!(case.expect, Expect::Same(_))) {
        check(case, &one, &two).unwrap_or_else(|failure| panic!("{}: {failure}", case.name));
    }
}

#[test]
fn the_clients_of_node_itself_see_the_same_server() {
    let seen = |server: Server| clients::run("fetch.js", &[&server.port().to_string()]);
    let plain = seen(Launch::plain(App::source(ECHO)).start());
    assert_eq!((&plain["many"], &plain["connections"]), (&true.into(), &1.into()), "{plain}");
    assert_eq!(seen(Launch::plimsoll(App::source(ECHO)).workers(2).start()), plain);
}

fn check(case: &Case, plain: &Server, plimsoll: &Server) -> Result<(), String> {
    match &case.expect {
        Expect::Same(methods) => {
            let (theirs, ours) = (converse(plain, case, methods), converse(plimsoll, case, methods));
            same("answers", &theirs.answers, &ours.answers)?;
            same("connection afterwards", &theirs.afterwards, &ours.afterwards)?;
            same("what ran", &ran(plain), &ran(plimsoll))
        }
        Expect::Refused { statuses, code } => {
            let refusal = converse_until_closed(plimsoll, case);
            let what_ran = ran(plimsoll);
            let Some(answer) = refusal.first() else { return Err("closed without a word".into()) };
            if !statuses.contains(&answer.status) || refusal.len() != 1 {
                return Err(format!("expected one answer of {statuses:?}, got {refusal:?}"));
            }
            if code.is_some() && answer.error_code() != *code {
                return Err(format!("expected error code {code:?}, got {answer:?}"));
            }
            same("what ran", &Value::Array(Vec::new()), &what_ran)
        }
        Expect::Cut => {
            let answers = converse_until_closed(plimsoll, case);
            let what_ran = ran(plimsoll);
            if answers.len() > 1 || answers.iter().any(|answer| answer.status < 400) {
                return Err(format!("expected a refusal or a cut, got {answers:?}"));
            }
            same("a smuggled request", &false, &what_ran.to_string().contains("smuggled"))
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, theirs: &T, ours: &T) -> Result<(), String> {
    if theirs == ours {
        return Ok(());
    }
    Err(format!("{what} differ\n  node:     {theirs:?}\n  plimsoll: {ours:?}"))
}

fn ran(server: &Server) -> Value {
    server.get_json("/ran")
}

#[derive(Debug)]
struct Conversation {
    /// Interim and final answers in order: head, body, trailers.
    answers: Vec<(Vec<String>, String, Vec<String>)>,
    afterwards: &'static str,
}

/// Sends the case, reads as many final answers as there are methods, and then looks whether the connection
/// still serves.
fn converse(server: &Server, case: &Case, methods: &[&str]) -> Conversation {
    let mut client = server.connect();
    client.send(&case.bytes);
    let mut answers = Vec::new();
    for method in methods {
        loop {
            let answer = client.response(method);
            let last = answer.status >= 200;
            answers.push((answer.comparable_head(), answer.text(), answer.trailers));
            if last {
                break;
            }
        }
    }
    Conversation { answers, afterwards: probe(&mut client) }
}

fn probe(client: &mut Client) -> &'static str {
    let sent = client.try_send("GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n");
    let rest = client.rest();
    match rest.starts_with(b"HTTP/1.1 200") {
        true => "serves",
        false if sent.is_err() || rest.is_empty() => "closed",
        false => "says something else",
    }
}

/// Sends the case and reads until the other side closes, which it must do by itself.
fn converse_until_closed(server: &Server, case: &Case) -> Vec<Response> {
    let mut client = server.connect();
    // The refusal may come before everything is sent.
    let _ = client.try_send(&case.bytes);
    Response::all(&client.rest())
}
