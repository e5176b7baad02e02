//! Every fuzz target, for so long each.

use super::ground::Ground;
use super::item::{Found, Item};
use crate::fuzz;

pub(super) fn run(ground: &Ground) -> anyhow::Result<Found> {
    let seconds = ground.options.fuzz_seconds;
    let targets = match fuzz::build() {
        Ok(targets) => targets,
        Err(error) => return Ok(Found::not_run("fuzz targets", format!("{error:#}").replace('\n', ";"))),
    };
    let how = format!("libFuzzer with the address sanitizer, {seconds} s");
    let items = targets.iter().map(|target| {
        let item = Item::new(target, &how);
        match fuzz::target(target, seconds) {
            Ok(runs) => item.found(format!("{runs} inputs, nothing found"), runs > 0),
            Err(error) => item.found(format!("{error:#}"), false),
        }
    });
    Ok(Found { items: items.collect(), ..Found::default() })
}
