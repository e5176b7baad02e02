//! Load by `wrk`: a closed loop of a fixed number of kept-alive connections.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::child::Child;
use super::wait;
use super::workshop::Workshop;

/// How often whoever looks on is called: rarely, for looking costs what is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) connections: u32,
    pub(super) seconds: u32,
    pub(super) head: Head,
}

/// What a request carries beside its first line and `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Head {
    /// Nothing: what a proxy does for every request stands out most.
    Small,
    /// What a browser sends behind a load balancer: what a proxy does for every line and byte counts too.
    Browser,
    /// The two lines that the gateway adds where it traces.
    Traced,
}

const BROWSER: [&str; 14] = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: https://shop.example/catalogue/shoes?page=3",
    "Cookie: session=4f1c2d3e4b5a69788796a5b4c3d2e1f0; theme=dark; consent=analytics:no,ads:no; cart=8812",
    "DNT: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Upgrade-Insecure-Requests: 1",
    "If-None-Match: W/\"2f-Kx8bW0Jt1yXkq3bq4S1mB7f8Z0A\"",
    "X-Request-Id: 7f8a9b0c-1d2e-4f3a-8b4c-5d6e7f8a9b0c",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
];

impl Head {
    pub(super) fn lines(self) -> &'static [&'static str] {
        match self {
            Self::Small => &[],
            Self::Browser => &BROWSER,
            Self::Traced => BROWSER.split_at(BROWSER.len() - 2).1,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

impl Load {
    /// Runs `wrk` against the port and calls `look` now and then. A request that failed makes the round void.
    pub(super) fn run(
        &self,
        workshop: &Workshop,
        wrk: &Path,
        port: u16,
        mut look: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Outcome> {
        let log = workshop.log("wrk");
        let mut child = Child::start(wrk, workshop.placement.load, &log, |command| {
            command.args(["--threads", "1", "--latency", "--timeout", "5s"]);
            command.args(["--connections", &self.connections.to_string()]);
            command.args(["--duration", &format!("{}s", self.seconds)]);
            for line in self.head.lines() {
                command.args(["--header", line]);
            }
            command.arg(format!("http://127.0.0.1:{port}/"));
        })?;
        let looks = (u128::from(self.seconds) * 1000 / LOOK_EVERY.as_millis()).saturating_sub(1);
        for _ in 0..looks {
            wait::pause(LOOK_EVERY);
            look()?;
        }
        child.wait(Duration::from_secs(15), "the end of wrk")?;
        let text = fs::read_to_string(&log)?;
        let outcome = parse(&text).with_context(|| format!("wrk said: {text}"))?;
        match failures(&text) {
            Some(line) => bail!("requests failed: {line}"),
            None => Ok(outcome),
        }
    }
}

fn parse(text: &str) -> Option<Outcome> {
    let lines = || text.lines().map(str::trim);
    let quantile = |name: &str| lines().find_map(|line| microseconds(line.strip_prefix(name)?.trim()));
    Some(Outcome {
        requests: lines().find_map(|line| line.split_once(" requests in ")?.0.parse().ok())?,
        requests_per_second: lines()
            .find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())?,
        p50_us: quantile("50%")?,
        p99_us: quantile("99%")?,
    })
}

fn failures(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| line.starts_with("Socket errors") || line.starts_with("Non-2xx"))
}

fn microseconds(text: &str) -> Option<f64> {
    let end = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(end)?;
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 6e7,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Running 2s test @ http://127.0.0.1:3000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.92ms    1.02ms  18.50ms   97.20%
    Req/Sec    33.80k     2.10k   36.00k    90.00%
  Latency Distribution
     50%  950.00us
     75%    2.00ms
     90%    2.21ms
     99%    3.90ms
  70544 requests in 2.10s, 10.50MB read
Requests/sec:  33592.43
Transfer/sec:      5.00MB
";

    #[test]
    fn report_of_wrk_is_read() {
        let expected =
            Outcome { requests: 70544, requests_per_second: 33592.43, p50_us: 950.0, p99_us: 3900.0 };
        assert_eq!(parse(GOOD), Some(expected));
        assert_eq!(failures(GOOD), None);
    }

    #[test]
    fn report_without_quantiles_is_refused() {
        assert_eq!(parse("unable to connect to 127.0.0.1:1 Connection refused"), None);
    }

    #[test]
    fn failed_requests_are_seen() {
        for line in ["Socket errors: connect 0, read 3, write 0, timeout 0", "Non-2xx or 3xx responses: 7"] {
            assert_eq!(failures(&format!("{GOOD}  {line}\n")), Some(line));
        }
    }

    #[test]
    fn every_unit_of_time_is_known() {
        for (text, expected) in [
            ("12.50us", Some(12.5)),
            ("1.5ms", Some(1500.0)),
            ("2.00s", Some(2e6)),
            ("1.00m", Some(6e7)),
            ("7", None),
        ] {
            assert_eq!(microseconds(text), expected, "{text}");
        }
    }
}
