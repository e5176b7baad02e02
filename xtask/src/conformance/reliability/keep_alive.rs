//! Node closes an idle connection after five seconds; a proxy that uses it again in that moment loses the request.

use std::time::{Duration, Instant};

use crate::bench::open::{Load, Outcome, Stream};
use crate::bench::peer::Setup;
use crate::bench::wait;
use crate::conformance::ground::Ground;

const LENGTH: Duration = Duration::from_secs(120);
const AT_ONCE: f64 = 50.0;
/// All of a round begin in this time; each takes longer, so that they are in flight together, each on a link of its own.
const ROUND_SECONDS: f64 = 0.01;
/// Between two rounds, one after the other: around Node's own timeout.
const RESTS_MS: [u64; 5] = [4_900, 4_980, 5_000, 5_020, 5_100];

pub(super) fn measure(ground: &Ground) -> anyhow::Result<(String, bool)> {
    let serving = ground.serve(&Setup { workers: 2, ..Setup::default() })?;
    let round = Load {
        port: serving.port,
        seconds: ROUND_SECONDS,
        streams: vec![Stream {
            name: "one",
            per_second: AT_ONCE / ROUND_SECONDS,
            method: "GET",
            target: "/?wait=20".to_owned(),
            // A connection of its own: it is the gateway's that are used again.
            fresh_percent: 100,
        }],
        ..Load::default()
    };
    let (mut asked, mut lost) = (0, 0);
    let begun = Instant::now();
    for rest in RESTS_MS.into_iter().cycle() {
        let (records, ()) = round.run(|_| Ok(()))?;
        asked += records.len();
        lost += records.iter().filter(|record| record.outcome != Outcome::Ok).count();
        if begun.elapsed() > LENGTH {
            break;
        }
        wait::pause(Duration::from_millis(rest));
    }
    Ok((format!("{asked} requests, {lost} lost"), lost == 0))
}
