//! `plimsoll logs`: the last lines of a running instance, and those that come.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::instance;
use crate::concerns::logs::record::Level;
use crate::observe::logs::{self, Shown};
use crate::observe::query;

pub(super) fn command() -> Command {
    let value =
        |name: &'static str, value_name: &'static str| Arg::new(name).long(name).value_name(value_name);
    Command::new("logs")
        .about("Shows the last lines that the app logged, and follows them")
        .after_help("Example:  plimsoll logs -f --level warn")
        .arg(
            Arg::new("follow")
                .short('f')
                .long("follow")
                .action(ArgAction::SetTrue)
                .help("Go on with each new line"),
        )
        .arg(
            value("lines", "N")
                .short('n')
                .value_parser(value_parser!(u32))
                .help("Begin with so many of the last lines [default: 100]"),
        )
        .arg(value("worker", "N").value_parser(value_parser!(u16)).help("Only lines of this worker"))
        .arg(
            value("level", "LEVEL")
                .value_parser(PossibleValuesParser::new(Level::ALL.map(Level::word)))
                .help("Only lines that matter at least as much"),
        )
        .arg(value("grep", "RE").help("Only lines in which this regular expression is found"))
        .arg(value("request", "ID").help("Only lines of this request, by its id or its trace"))
        .arg(instance::name_argument())
        .arg(instance::json_argument())
}

pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    let look = if arguments.get_flag("json") { Look::Json } else { Look::of_terminal() };
    // A reader who left is nobody to go on for.
    let print = |line: &str| std::io::stdout().lock().write_all(look.render(line).as_bytes()).is_ok();
    match instance::pick(instance::name(arguments))
        .and_then(|instance| instance.listen(&target(arguments), print))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => instance::fail(&error),
    }
}

fn target(arguments: &ArgMatches) -> String {
    let mut query: Vec<String> = Vec::new();
    query.extend(arguments.get_flag("follow").then(|| "follow".to_owned()));
    query.extend(arguments.get_one::<u32>("lines").map(|lines| format!("lines={lines}")));
    query.extend(arguments.get_one::<u16>("worker").map(|worker| format!("worker={worker}")));
    for name in ["level", "grep", "request"] {
        let text = arguments.get_one::<String>(name);
        query.extend(text.map(|text| format!("{name}={}", query::encode(text))));
    }
    format!("{}?{}", logs::PATH, query.join("&"))
}

/// How a line is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Json,
    Plain,
    Coloured,
}

impl Look {
    fn of_terminal() -> Self {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stdout().is_terminal() && !is_unwanted { Self::Coloured } else { Self::Plain }
    }

    fn render(self, json: &str) -> String {
        match serde_json::from_str(json) {
            Ok(shown) if self != Self::Json => self.describe(&shown),
            // What a newer instance says is passed on as it is.
            _ => format!("{json}\n"),
        }
    }

    fn describe(self, shown: &Shown) -> String {
        match shown {
            Shown::Lost { lost } => {
                self.colour("\x1b[33m", &format!("-- {lost} lines are missing here: they came too fast --"))
                    + "\n"
            }
            Shown::Record { worker, level, at, weight, line, .. } => {
                let worker = worker.map_or_else(|| "-".to_owned(), |worker| worker.to_string());
                let time = self.colour("\x1b[2m", &time_of_day(*at));
                let level = self.colour(colour_of(level), &format!("{level:<5}"));
                let weight = if *weight > 1 { format!(" (x{weight})") } else { String::new() };
                format!("{time} {worker} {level}{weight} {line}\n")
            }
        }
    }

    fn colour(self, colour: &str, text: &str) -> String {
        match self {
            Self::Coloured if !colour.is_empty() => format!("{colour}{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

fn colour_of(level: &str) -> &'static str {
    match level {
        "fatal" | "error" => "\x1b[31m",
        "warn" => "\x1b[33m",
        "debug" | "trace" => "\x1b[2m",
        _ => "",
    }
}

/// UTC: the log of a container has no other time.
fn time_of_day(nanoseconds: u64) -> String {
    let milliseconds = nanoseconds / 1_000_000;
    let seconds = milliseconds / 1000 % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_rendered_for_people_and_for_programs() {
        let json = r#"{"worker":1,"pid":7,"stream":"stdout","level":"warn","at":3723004000000,"shape":"plain","weight":5,"line":"slow"}"#;
        assert_eq!(Look::Plain.render(json), "01:02:03.004 1 warn  (x5) slow\n");
        let coloured = "\x1b[2m01:02:03.004\x1b[0m 1 \x1b[33mwarn \x1b[0m (x5) slow\n";
        assert_eq!(Look::Coloured.render(json), coloured);
        assert_eq!(Look::Json.render(json), format!("{json}\n"));
        assert_eq!(
            Look::Plain.render(r#"{"lost":3}"#),
            "-- 3 lines are missing here: they came too fast --\n"
        );
        assert_eq!(Look::Plain.render(r#"{"new":1}"#), "{\"new\":1}\n");
    }
}
