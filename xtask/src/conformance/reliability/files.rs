//! More connections than files may be open: an accept loop that fails at once and tries again at once burns a CPU.

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use crate::bench::client::{self, Address};
use crate::bench::peer::Setup;
use crate::bench::{procfs, wait};
use crate::conformance::ground::Ground;

const FILES: &str = "--nofile=256:256";
const CONNECTIONS: usize = 1000;
const LOOK: Duration = Duration::from_secs(5);
const BUSY_PERCENT_MAX: f64 = 20.0;
const AGAIN_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn measure(ground: &Ground) -> anyhow::Result<(String, bool)> {
    let setup = Setup { workers: 1, under: vec!["prlimit", FILES], ..Setup::default() };
    let serving = ground.serve(&setup)?;
    let pid = serving.pid()?;
    // Those beyond the limit wait in the kernel's queue, which is the case in question.
    let held: Vec<TcpStream> = (0..CONNECTIONS)
        .filter_map(|_| {
            let address = (Ipv4Addr::LOCALHOST, serving.port).into();
            TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()
        })
        .collect();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    let (before, begun) = (procfs::cpu_ns(&[pid])?, Instant::now());
    wait::pause(LOOK);
    let used = procfs::cpu_ns(&[pid])? - before;
    let busy = used as f64 / begun.elapsed().as_nanos() as f64 * 100.0;
    let connected = held.len();
    drop(held);
    let gone = Instant::now();
    wait::until(AGAIN_WITHIN, "an answer after the connections were gone", || {
        client::get(&Address::port(serving.port), "/").ok()
    })?;
    let figure = format!(
        "{connected} of {CONNECTIONS} connected, {files} files open, {busy:.1} % of a CPU; served again {:.0} ms after they were gone",
        gone.elapsed().as_secs_f64() * 1000.0
    );
    // With room left nothing would have been tried.
    Ok((figure, busy < BUSY_PERCENT_MAX && files >= 200))
}
