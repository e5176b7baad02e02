//! Node closes an idle connection after five seconds; a proxy that uses it again in that moment loses the request.

use std::time::{Duration, Instant};

use crate::bench::open::Outcome;
use crate::bench::open::client::Clients;
use crate::bench::peer::Setup;
use crate::conformance::ground::Ground;

const LENGTH: Duration = Duration::from_secs(120);
const AT_ONCE: usize = 50;
/// Between two rounds, one after the other: around Node's own timeout.
const RESTS_MS: [u64; 5] = [4_900, 4_980, 5_000, 5_020, 5_100];
/// Long enough for all of a round to be in flight together, each on a link of its own.
const REQUEST: &str = "GET /?wait=20 HTTP/1.1\r\nHost: conformance\r\n\r\n";

pub(super) fn measure(ground: &Ground) -> anyhow::Result<(String, bool)> {
    let serving = ground.serve(&Setup { workers: 2, ..Setup::default() })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let (asked, lost) = local.block_on(&runtime, rounds(serving.port));
    Ok((format!("{asked} requests, {lost} lost"), lost == 0))
}

async fn rounds(port: u16) -> (usize, usize) {
    let clients = Clients::new(port);
    let (mut asked, mut lost) = (0, 0);
    let begun = Instant::now();
    for rest in RESTS_MS.into_iter().cycle() {
        let mut round = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let clients = clients.clone();
            // A connection of its own: it is the gateway's that are used again.
            round.spawn_local(async move { clients.ask(REQUEST, true).await });
        }
        while let Some(outcome) = round.join_next().await {
            asked += 1;
            lost += usize::from(!matches!(outcome, Ok(Outcome::Ok)));
        }
        if begun.elapsed() > LENGTH {
            break;
        }
        tokio::time::sleep(Duration::from_millis(rest)).await;
    }
    (asked, lost)
}
