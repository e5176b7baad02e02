//! How long a dead worker is missing: from `kill -9` of the only one to the next answer, beside the app's own start.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::bench::child::Child;
use crate::bench::client::{self, Address};
use crate::bench::peer::{Peer, Programs, Serving, Setup, signal};
use crate::bench::report::{Table, figure};
use crate::bench::stats::{max, median, min};
use crate::bench::wait;
use crate::bench::workshop::{Workshop, app, free_port};

const WITHIN: Duration = Duration::from_secs(20);

pub(super) fn run(workshop: &Workshop, programs: &Programs, rounds: usize) -> anyhow::Result<(Table, Value)> {
    let setup = Setup { workers: 1, ..Setup::default() };
    let (mut plain, mut replaced) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        plain.push(start(workshop)?);
        let serving = Serving::start(Peer::Plimsoll, workshop, programs, &setup)?;
        let address = Address::port(serving.port);
        let worker = wait::until(WITHIN, "a worker", || serving.workers().first().copied())?;
        let begun = Instant::now();
        signal(worker, Signal::KILL)?;
        // The gateway holds the request until somebody can serve it.
        wait::until(WITHIN, "an answer", || client::get(&address, "/").ok())?;
        replaced.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let mut table = Table::new(&["", "min", "median", "max"]);
    for (name, times) in
        [("plain node, start to first answer", &plain), ("Plimsoll, death to next answer", &replaced)]
    {
        let cells = [min(times), median(times), max(times)].map(|value| figure(value, " ms", 1));
        table.row([vec![name.to_owned()], cells.to_vec()].concat());
    }
    Ok((table, json!({ "scenario": "Replace", "plain_ms": plain, "replaced_ms": replaced })))
}

fn start(workshop: &Workshop) -> anyhow::Result<f64> {
    let port = free_port()?;
    let begun = Instant::now();
    let _child = Child::start(&workshop.node, None, &workshop.log("plain"), |command| {
        command.arg(app("shop.js")).env("PORT", port.to_string()).env_remove("NODE_OPTIONS");
    })?;
    wait::until(WITHIN, "the first answer", || client::get(&Address::port(port), "/").ok())?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}
