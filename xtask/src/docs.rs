//! `cargo xtask docs`: the pages of `docs/reference`, printed by the program itself.

use anyhow::Context as _;

use crate::process::{cargo, output, root};

pub(crate) fn run() -> anyhow::Result<()> {
    for page in ["config", "metrics", "cli"] {
        let text = output(cargo(&["run", "--quiet", "--package", "plimsoll", "--", "reference", page]))?;
        let path = root().join("docs/reference").join(page).with_extension("md");
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("docs/reference/{page}.md");
    }
    Ok(())
}
