//! `cargo xtask soak`: the watchdog for minutes, on every supported Node.js.
//!
//! What it does to an engine is not what engines are made for, so that the rare crash is looked for on purpose: a
//! stall every 100 ms, by functions whose names must come back. In the nightly list, ten minutes each.

use anyhow::{Context as _, bail};

use crate::nodes::Node;
use crate::process::{command, run as run_command};
use crate::{addon, nodes};

pub(crate) fn run(minutes: &str, major: Option<&str>) -> anyhow::Result<()> {
    minutes.parse::<f64>().with_context(|| format!("`{minutes}` is not a number of minutes"))?;
    let nodes = match major {
        Some(major) => vec![nodes::install(major.parse()?)?],
        None => nodes::all()?,
    };
    let addon = addon::built()?;
    let addon = addon.to_str().context("the path of the addon is not UTF-8")?;
    let failed: Vec<&str> = nodes
        .iter()
        .filter_map(|node| {
            let error = on_node(node, addon, minutes).err()?;
            eprintln!("error: {error:#}");
            Some(node.version.as_str())
        })
        .collect();
    if !failed.is_empty() {
        bail!("the soak failed on Node.js {}", failed.join(", "));
    }
    Ok(())
}

fn on_node(node: &Node, addon: &str, minutes: &str) -> anyhow::Result<()> {
    println!("== {}: {minutes} minutes", node.version);
    run_command(command(&node.binary, &["crates/plimsoll-agent/test/soak.js", addon, minutes]))
}
