//! The project's own tools: `cargo xtask <what>`. CI runs `cargo xtask test` and nothing else.

mod bench;
mod docs;
mod fuzz;
mod install;
mod nodes;
mod process;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test [--all-nodes]   install what the tests need, then check and test everything
cargo xtask tidy                 arrows between modules, banned words, sizes
cargo xtask docs                 make docs/reference again from the program
cargo xtask fuzz [SECONDS]       run every fuzz target for so long (needs cargo-fuzz)
cargo xtask bench NAME [...]     run a benchmark
";

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Vec<String>) -> anyhow::Result<()> {
    let rest = args.split_off(args.len().min(1));
    let rest_is: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (args.first().map(String::as_str), rest_is.as_slice()) {
        (Some("test"), []) => test::run(test::Nodes::OfMachine),
        (Some("test"), ["--all-nodes"]) => test::run(test::Nodes::All),
        (Some("tidy"), []) => tidy::run(),
        (Some("docs"), []) => docs::run(),
        (Some("fuzz"), []) => fuzz::run("60"),
        (Some("fuzz"), [seconds]) => fuzz::run(seconds),
        (Some("bench"), _) => bench::run(rest),
        (None | Some("help" | "--help" | "-h"), _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => anyhow::bail!("unknown arguments: {} {}\n\n{HELP}", args.join(" "), rest.join(" ")),
    }
}
