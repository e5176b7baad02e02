//! The project's own tools: `cargo xtask <what>`. CI runs `cargo xtask test` and nothing else.

mod addon;
mod bench;
mod conformance;
mod docs;
mod fuzz;
mod install;
mod nodes;
mod process;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test                 install what the tests need, then check and test everything
cargo xtask test --node MAJOR    the agent's and the end-to-end tests on that Node.js
cargo xtask test --all-nodes     the same on every supported Node.js
cargo xtask tidy                 arrows between modules, banned words, sizes
cargo xtask docs                 make docs/reference again from the program
cargo xtask fuzz [SECONDS]       run every fuzz target for so long (needs cargo-fuzz)
cargo xtask soak [MINUTES [MAJOR]] stall a worker ten times a second on every Node.js, or on one
cargo xtask bench NAME [...]     run a benchmark
cargo xtask bench scenario [...] run the scenarios beside the peers, and write docs/benchmarks.md
cargo xtask conformance [PART]   slow clients, raw HTTP, others' tests, fuzzing, a soak: docs/conformance.md
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
        (Some("test"), ["--node", major]) => test::run(test::Nodes::Major(major.parse()?)),
        (Some("tidy"), []) => tidy::run(),
        (Some("docs"), []) => docs::run(),
        (Some("fuzz"), []) => fuzz::run("60"),
        (Some("fuzz"), [seconds]) => fuzz::run(seconds),
        (Some("soak"), []) => soak::run("10", None),
        (Some("soak"), [minutes]) => soak::run(minutes, None),
        (Some("soak"), [minutes, major]) => soak::run(minutes, Some(major)),
        (Some("bench"), _) => bench::run(rest),
        (Some("conformance"), _) => conformance::run(rest),
        (None | Some("help" | "--help" | "-h"), _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => anyhow::bail!("unknown arguments: {} {}\n\n{HELP}", args.join(" "), rest.join(" ")),
    }
}
