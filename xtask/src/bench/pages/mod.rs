//! `bench report`: docs/benchmarks.md, its pictures and the table in the README, from the latest results that are kept.
//!
//! ```text
//!   bench/results/*.json ─► results ─► section (figures of all contenders) ─┬► page ─► docs/benchmarks.md, README.md
//!                                        others: of the benches that are     └► plot ─► docs/benchmarks/*.svg
//!                                        no scenarios
//! ```
//!
//! Nothing is measured here, and no figure is written by hand: a test compares the pages with the results.

mod others;
mod page;
mod plot;
mod results;
mod section;

use std::fs;
use std::path::PathBuf;

use crate::process::root;

/// A page or a picture, and where it belongs.
type Made = (PathBuf, String);

pub(super) fn write() -> anyhow::Result<()> {
    for (path, text) in make()? {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        println!("written: {}", path.strip_prefix(root()).unwrap_or(&path).display());
    }
    Ok(())
}

fn make() -> anyhow::Result<Vec<Made>> {
    let sections = section::all()?;
    let docs = root().join("docs");
    let readme = root().join("README.md");
    let mut made = vec![
        (docs.join("benchmarks.md"), page::render(&sections)),
        (readme.clone(), page::with_table(&fs::read_to_string(readme)?, &sections)?),
    ];
    for section in &sections {
        made.push((docs.join(section.picture()), plot::bars(section)?));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_say_what_the_results_say() {
        for (path, text) in make().unwrap() {
            let kept = fs::read_to_string(&path).unwrap_or_default();
            assert!(kept == text, "{} is not up to date: cargo xtask bench report", path.display());
        }
    }
}
