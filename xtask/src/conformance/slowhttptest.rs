//! slowhttptest, the tool: a thousand slow connections of each kind, and what good clients notice.
//!
//! Whether the service was available is told by the tool's own probe, second by second; how fast it answered, by an
//! open loop beside.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::good::{Good, PER_SECOND};
use super::ground::{Ground, file};
use super::item::{Found, Item};
use crate::bench::child::Child;
use crate::bench::client::{self, Address};
use crate::bench::peer::Setup;
use crate::bench::workshop::free_port;
use crate::bench::{machine, wait};

const CONNECTIONS: &str = "1000";
const SECONDS: u32 = 25;
const CALM_SECONDS: f64 = 5.0;

struct Attack {
    name: &'static str,
    target: &'static str,
    options: &'static [&'static str],
}

const ATTACKS: [Attack; 3] = [
    Attack { name: "slow headers (-H)", target: "/", options: &["-H", "-i", "10", "-x", "24"] },
    Attack { name: "slow bodies (-B)", target: "/", options: &["-B", "-i", "10", "-s", "8192", "-x", "24"] },
    Attack {
        name: "slow readers (-X)",
        target: "/large",
        options: &["-X", "-w", "1", "-y", "512", "-n", "5", "-z", "32", "-k", "3"],
    },
];

pub(super) fn run(ground: &Ground) -> anyhow::Result<Found> {
    let tool = machine::find_or_install("slowhttptest", "slowhttptest")?;
    let items = ATTACKS.iter().map(|attack| {
        let how = format!(
            "`slowhttptest {} -c {CONNECTIONS} -r 200 -p 3`, {SECONDS} s; always available, p99 of {PER_SECOND} good requests/s < 2x + 5 ms",
            attack.options.join(" ")
        );
        Item::new(attack.name, how).measured(measure(ground, &tool, attack))
    });
    Ok(Found {
        items: items.collect(),
        versions: vec![("slowhttptest".to_owned(), package_version("slowhttptest"))],
        notes: vec![format!(
            "The app reads bodies as they come and has 8 MB to read; `gateway.header_timeout` closes slow headers, the other two are \
             within the limits of the settings' defaults for the {SECONDS} s."
        )],
    })
}

fn measure(ground: &Ground, tool: &Path, attack: &Attack) -> anyhow::Result<(String, bool)> {
    let setup = Setup { workers: 2, script: file("apps/slow.js"), ..Setup::default() };
    let serving = ground.serve(&setup)?;
    let ours = under_attack(ground, tool, attack, serving.port)?;
    drop(serving);
    let plain = under_attack_plain(ground, tool, attack)?;
    let figure = format!(
        "available in {} of {} looks, {} connections at most, {} closed by us; good clients: {} failed, p99 {:.1} ms before, {:.1} ms \
         beside (plain Node: {} failed, {:.1} ms)",
        ours.seen.available,
        ours.seen.looks,
        ours.seen.connected,
        ours.seen.closed,
        ours.good.failed(),
        ours.good.calm_ms,
        ours.good.beside_ms,
        plain.good.failed(),
        plain.good.beside_ms
    );
    Ok((figure, ours.seen.is_always() && ours.good.are_unharmed()))
}

/// What good clients notice.
struct Noticed {
    seen: Availability,
    good: Good,
}

/// The same app by itself: what of it is the attack's on this machine, whoever serves.
fn under_attack_plain(ground: &Ground, tool: &Path, attack: &Attack) -> anyhow::Result<Noticed> {
    let port = free_port()?;
    let _app = Child::start(&ground.workshop.node, None, &ground.workshop.log("plain"), |command| {
        command.arg(file("apps/slow.js")).env("PORT", port.to_string()).env_remove("NODE_OPTIONS");
    })?;
    wait::until(wait::START_WITHIN, "the first answer", || client::get(&Address::port(port), "/").ok())?;
    under_attack(ground, tool, attack, port)
}

fn under_attack(ground: &Ground, tool: &Path, attack: &Attack, port: u16) -> anyhow::Result<Noticed> {
    let statistics = ground.workshop.directory.join("slow");
    let url = format!("http://127.0.0.1:{port}{}", attack.target);
    let log = ground.workshop.log("slowhttptest");
    let (good, ()) = Good::beside(port, CALM_SECONDS, f64::from(SECONDS), |_| {
        let mut child = Child::start(tool, None, &log, |command| {
            command.args(attack.options).args(["-c", CONNECTIONS, "-r", "200", "-p", "3", "-g", "-o"]);
            command.arg(&statistics).args(["-l", &SECONDS.to_string(), "-u", &url]);
        })?;
        child.wait(Duration::from_secs(u64::from(SECONDS) + 30), "the end of slowhttptest")
    })?;
    Ok(Noticed { seen: Availability::read(&statistics.with_extension("csv"))?, good })
}

/// What the tool saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Availability {
    looks: usize,
    available: usize,
    connected: u32,
    closed: u32,
}

impl Availability {
    fn read(path: &PathBuf) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{} is not there", path.display()))?;
        Self::parse(&text).with_context(|| format!("it wrote: {text}"))
    }

    /// `Seconds,Closed,Pending,Connected,Service Available`, a line for each look.
    fn parse(text: &str) -> Option<Self> {
        let mut seen = Self::default();
        for line in text.lines().skip(1) {
            let fields: Vec<u32> =
                line.split(',').map(|field| field.trim().parse()).collect::<Result<_, _>>().ok()?;
            let [_, closed, _, connected, available] = fields.as_slice() else { return None };
            seen.looks += 1;
            seen.available += usize::from(*available > 0);
            seen.connected = seen.connected.max(*connected);
            seen.closed = seen.closed.max(*closed);
        }
        (seen.looks > 0).then_some(seen)
    }

    fn is_always(&self) -> bool {
        self.available == self.looks
    }
}

/// Of a Debian package; the tools do not all tell it themselves.
pub(super) fn package_version(name: &str) -> String {
    let query = crate::process::command("dpkg-query", &["--show", "--showformat", "${Version}", name]);
    crate::process::output(query).unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_without_service_is_seen() {
        let text = "Seconds,Closed,Pending,Connected,Service Available\n0,0,1,0,1000\n5,12,0,988,1000\n10,1000,0,0,0\n";
        let seen = Availability::parse(text).unwrap();
        assert_eq!(seen, Availability { looks: 3, available: 2, connected: 988, closed: 1000 });
        assert!(!seen.is_always());
        assert_eq!(Availability::parse("Seconds,Closed\n"), None);
    }
}
