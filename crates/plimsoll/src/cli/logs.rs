//! `plimsoll logs`: the last lines of a running instance, and those that come.

use std::io::Write as _;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::instance;
use crate::concerns::logs::record::Level;
use crate::observe::logs;
use crate::observe::logs::look::Look;
use crate::percent;
use crate::sys::output::Target;

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
    let look = if arguments.get_flag("json") { Look::Json } else { Look::of(Target::Stdout) };
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
        query.extend(text.map(|text| format!("{name}={}", percent::encode(text))));
    }
    format!("{}?{}", logs::PATH, query.join("&"))
}
