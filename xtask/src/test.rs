//! `cargo xtask test`: everything that must hold, in the order in which a mistake is cheapest to find.
//!
//! A step that fails does not hide the later ones; all failures are named at the end, and then it fails.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::nodes::{self, Node};
use crate::process::{cargo, command, exists, run as run_command, target};
use crate::{addon, install, tidy};

/// Which Node.js the agent's and the end-to-end tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nodes {
    OfMachine,
    /// The newest of one supported release line.
    Major(u32),
    All,
}

pub(crate) fn run(nodes: Nodes) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    steps.run("install: programs", install::programs);
    if steps.failed.is_empty() {
        steps.run("install: npm packages", install::npm_packages);
        steps.run("install: databases", install::databases);
        steps.run("install: browser", install::browser);
        match nodes {
            Nodes::OfMachine => everything(&mut steps)?,
            Nodes::Major(major) => on_node(&nodes::install(major)?, &mut steps),
            Nodes::All => nodes::all()?.iter().for_each(|node| on_node(node, &mut steps)),
        }
    }
    steps.conclude()
}

fn everything(steps: &mut Steps) -> anyhow::Result<()> {
    let node = nodes::of_machine()?;
    println!("   Node.js {} at {}", node.version, node.binary.display());
    steps.run("format", || run_command(cargo(&["fmt", "--all", "--check"])));
    steps.run("tidy", tidy::run);
    steps.run("lints", || {
        run_command(cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
    });
    steps.run("tests: unit and end to end", || cargo_tests(&node, &["--workspace"]));
    steps.run("tests: models", models);
    steps.run("tests: examples in the documentation", || {
        run_command(cargo(&["test", "--doc", "--workspace", "--exclude", "plimsoll-agent", "--locked"]))
    });
    steps.run("tests: agent", || agent_tests(&node));
    Ok(())
}

/// What depends on the Node: all else is the same on every one.
fn on_node(node: &Node, steps: &mut Steps) {
    steps.run(&format!("agent on Node.js {}", node.version), || agent_tests(node));
    steps.run(&format!("end to end on Node.js {}", node.version), || {
        cargo_tests(node, &["--workspace", "--test", "it"])
    });
}

/// nextest gives each test a process and a time limit; where it is not installed, cargo's own runner does.
fn cargo_tests(node: &Node, which: &[&str]) -> anyhow::Result<()> {
    let runner: &[&str] = match exists("cargo", &["nextest", "--version"]) {
        true => &["nextest", "run", "--locked"],
        false => &["test", "--locked", "--all-targets"],
    };
    run_command(node.used_by(cargo(&[runner, which].concat()))?)
}

/// What gateway and agent do to the same words of memory, in every order (loom). The flag changes what atomics are, so it
/// has a target directory of its own: nothing else is built again because of it.
fn models() -> anyhow::Result<()> {
    let mut models = cargo(&["test", "--package", "plimsoll-wire", "--lib", "--locked", "model"]);
    models.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", target().join("loom"));
    run_command(models)
}

/// The agent's own tests: plain JavaScript, run by the Node under test, with the addon as it is shipped.
fn agent_tests(node: &Node) -> anyhow::Result<()> {
    let mut tests = command(&node.binary, &["crates/plimsoll-agent/test/run.js"]);
    tests.arg(addon::built()?);
    run_command(node.used_by(tests)?)
}

/// What ran, for how long, and what failed.
#[derive(Default)]
struct Steps {
    passed: Vec<(String, Duration)>,
    failed: Vec<(String, Duration)>,
}

impl Steps {
    fn run(&mut self, name: &str, step: impl FnOnce() -> anyhow::Result<()>) {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = step();
        let took = start.elapsed();
        match outcome {
            Ok(()) => {
                println!("   ok in {:.1}s", took.as_secs_f64());
                self.passed.push((name.to_owned(), took));
            }
            Err(error) => {
                println!("   FAILED after {:.1}s: {error:#}", took.as_secs_f64());
                self.failed.push((name.to_owned(), took));
            }
        }
    }

    fn conclude(&self) -> anyhow::Result<()> {
        println!("\n== summary");
        for (verdict, steps) in [("ok    ", &self.passed), ("FAILED", &self.failed)] {
            for (name, took) in steps {
                println!("   {verdict} {:>7.1}s  {name}", took.as_secs_f64());
            }
        }
        match self.failed.len() {
            0 => Ok(()),
            1 => bail!("1 step failed"),
            number => bail!("{number} steps failed"),
        }
    }
}
