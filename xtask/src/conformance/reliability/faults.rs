//! Retries must not multiply what a failing service is asked.

use std::fs;

use crate::bench::open::{self, Load, Stream};
use crate::bench::peer::Setup;
use crate::conformance::ground::{Ground, file};

const PER_SECOND: f64 = 400.0;
const SECONDS: f64 = 5.0;
const RATIO_MAX: f64 = 1.1;

pub(super) fn amplification(ground: &Ground) -> anyhow::Result<(String, bool)> {
    let ledger = ground.workshop.directory.join("asked");
    let _none_left = fs::remove_file(&ledger);
    let setup =
        Setup { workers: 2, ledger: Some(ledger.clone()), script: file("apps/reset.js"), ..Setup::default() };
    let serving = ground.serve(&setup)?;
    let stream = |name, method| Stream {
        name,
        per_second: PER_SECOND / 2.0,
        method,
        target: "/fail?id={id}".to_owned(),
        fresh_percent: 50,
    };
    let load = Load {
        port: serving.port,
        seconds: SECONDS,
        streams: vec![stream("get", "GET"), stream("post", "POST")],
        ..Load::default()
    };
    let (records, ()) = load.run(|_| Ok(()))?;
    let reached = fs::read_to_string(&ledger)?.lines().count();
    let ratio = reached as f64 / records.len() as f64;
    let how: Vec<String> =
        open::failures(&records).into_iter().map(|(how, count)| format!("{count} {how}")).collect();
    let figure = format!(
        "{} asked, {reached} reached workers: {ratio:.3}; answers: {}",
        records.len(),
        how.join(", ")
    );
    Ok((figure, ratio <= RATIO_MAX && reached > 0))
}
