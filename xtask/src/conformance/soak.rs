//! Half an hour of what a month brings: 2,000 requests a second, and reloads, kills and stalls all the while.
//!
//! What may fail is what was running in a worker that was killed, and nothing else. Each POST is written down by the app
//! before it is answered: none may be there twice, none acknowledged and missing. The supervisor's memory and open files
//! are looked at every second; what grows steadily is a leak.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::ground::Ground;
use super::item::{Found, Item};
use crate::bench::open::{self, Load, Outcome, Record, Stream};
use crate::bench::peer::{Serving, Setup, signal};
use crate::bench::procfs::{self, Pid};
use crate::bench::{ledger, wait};

const PER_SECOND: f64 = 2000.0;
const RELOAD_EVERY: u64 = 20;
const KILL_EVERY: u64 = 15;
const FREEZE_EVERY: u64 = 25;
const FREEZE: Duration = Duration::from_millis(700);
/// Memory settles first: buffers are kept, tables grow to their bounds.
const SETTLES: f64 = 0.3;
const SLOPE_MB_PER_HOUR_MAX: f64 = 24.0;
const FILES_MORE_MAX: u64 = 16;
/// After the load: the gateway closes links that were idle for a minute, and looks for them now and then.
const REST: Duration = Duration::from_secs(90);

const PARTS: usize = 10;

pub(super) fn run(ground: &Ground) -> anyhow::Result<Found> {
    let ledger = ledger::place(&ground.workshop.directory);
    let _none_left = fs::remove_file(&ledger);
    let setup = Setup { workers: 2, ledger: Some(ledger.clone()), ..Setup::default() };
    let mut serving = ground.serve(&setup)?;
    let seconds = ground.options.soak_minutes * 60.0;
    let pid = serving.pid()?;
    let files_before = open_files(pid)?;
    let load = load(serving.port, seconds);
    let (records, seen) = load.run(|begun| disturb(&mut serving, begun, Duration::from_secs_f64(seconds)))?;
    let files_after = at_rest(pid, files_before + FILES_MORE_MAX)?;
    let runs = ledger::read(&ledger)?;
    let _removed = fs::remove_file(&ledger);
    let items = vec![
        requests(&records, &load, &seen),
        book(&records, &load, &runs),
        memory(&seen),
        Item::new(
            "open files of the supervisor",
            format!("at rest, before and after: at most {FILES_MORE_MAX} more"),
        )
        .found(
            format!("{files_before} before, {files_after} after, {} at most under load", seen.files_max()),
            files_after <= files_before + FILES_MORE_MAX,
        ),
    ];
    let note = format!(
        "{:.0} minutes at {PER_SECOND} requests/s (half POSTs, half on connections of their own, one a second keeps the loop for 200 ms), \
         two workers; `plimsoll reload` every {RELOAD_EVERY} s, `kill -9` of a worker every {KILL_EVERY} s, `kill -STOP` for {} ms every \
         {FREEZE_EVERY} s.",
        seconds / 60.0,
        FREEZE.as_millis()
    );
    Ok(Found { items, notes: vec![note], ..Found::default() })
}

fn load(port: u16, seconds: f64) -> Load {
    let stream = |name, per_second, method, target: &str| Stream {
        name,
        per_second,
        method,
        target: target.to_owned(),
        fresh_percent: 50,
    };
    let streams = vec![
        stream("get", PER_SECOND / 2.0 - 1.0, "GET", "/?id={id}"),
        stream("post", PER_SECOND / 2.0, "POST", "/?wait=5&id={id}"),
        stream("stall", 1.0, "GET", "/?spin=200&id={id}"),
    ];
    Load { port, seconds, streams, ..Load::default() }
}

/// What was done, and what the supervisor looked like meanwhile.
#[derive(Debug, Default)]
struct Seen {
    done: BTreeMap<&'static str, usize>,
    /// Seconds, resident bytes, open files.
    looks: Vec<(f64, u64, u64)>,
}

impl Seen {
    fn files_max(&self) -> u64 {
        self.looks.iter().map(|look| look.2).max().unwrap_or(0)
    }
}

fn disturb(serving: &mut Serving<'_>, begun: Instant, length: Duration) -> anyhow::Result<Seen> {
    let pid = serving.pid()?;
    let mut seen = Seen::default();
    // The last of the disturbances is over when the load ends.
    let last = length.as_secs().saturating_sub(5);
    for second in 1..last {
        wait::pause((begun + Duration::from_secs(second)).saturating_duration_since(Instant::now()));
        let rss = procfs::memory(&[pid])?.rss;
        seen.looks.push((begun.elapsed().as_secs_f64(), rss, open_files(pid)?));
        if second % RELOAD_EVERY == 0 {
            // A reload that meets a kill may be given up; it is tried again soon.
            *seen
                .done
                .entry(if serving.renew().is_ok() { "reloads" } else { "reloads given up" })
                .or_default() += 1;
        } else if second % KILL_EVERY == 0 {
            let victim = serving.workers().first().copied();
            let killed = victim.is_some_and(|victim| signal(victim, Signal::KILL).is_ok());
            *seen.done.entry("kills").or_default() += usize::from(killed);
        } else if second % FREEZE_EVERY == 0
            && let Some(frozen) = serving.workers().last().copied()
        {
            signal(frozen, Signal::STOP)?;
            wait::pause(FREEZE);
            // It may have been replaced meanwhile.
            *seen.done.entry("freezes").or_default() += usize::from(signal(frozen, Signal::CONT).is_ok());
        }
    }
    Ok(seen)
}

/// Open files as soon as they are few again, or those that are open in the end.
fn at_rest(pid: Pid, enough: u64) -> anyhow::Result<u64> {
    let few = || open_files(pid).ok().filter(|files| *files <= enough);
    match wait::until(REST, "few open files", few) {
        Ok(files) => Ok(files),
        Err(_) => open_files(pid),
    }
}

fn open_files(pid: Pid) -> anyhow::Result<u64> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64)
}

fn requests(records: &[Record], load: &Load, seen: &Seen) -> Item {
    let died = "502 worker_died";
    let failures = open::failures(records);
    let others: usize = failures.iter().filter(|(how, _)| *how != died).map(|(_, count)| count).sum();
    let how: Vec<String> = failures.iter().map(|(how, count)| format!("{count} {how}")).collect();
    let done: Vec<String> = seen.done.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let good = records
        .iter()
        .filter(|record| load.streams.get(record.stream).is_some_and(|stream| stream.name != "stall"));
    let latency = open::latency(good);
    let ms = |read: fn(open::Latency) -> f64| latency.map_or(f64::NAN, read);
    let figure = format!(
        "{} requests, {}; not answered 200: {}; p50 {:.1} ms, p99 {:.0} ms, p99.9 {:.0} ms",
        records.len(),
        done.join(", "),
        if how.is_empty() { "none".to_owned() } else { how.join(", ") },
        ms(|latency| latency.p50),
        ms(|latency| latency.p99),
        ms(|latency| latency.p999),
    );
    Item::new("requests", "only what was running in a killed worker fails (502 worker_died)")
        .found(figure, others == 0)
}

fn book(records: &[Record], load: &Load, runs: &std::collections::HashMap<u64, usize>) -> Item {
    let is_post =
        |record: &&Record| load.streams.get(record.stream).is_some_and(|stream| stream.method == "POST");
    let acknowledged = records.iter().filter(is_post).filter(|record| record.outcome == Outcome::Ok);
    let (mut total, mut lost) = (0_usize, 0_usize);
    for record in acknowledged {
        total += 1;
        lost += usize::from(!runs.contains_key(&record.id));
    }
    let twice = runs.values().filter(|count| **count > 1).count();
    Item::new("the app's ledger of POSTs", "none acknowledged and not run, none run twice").found(
        format!("{total} acknowledged, {} run: {lost} lost, {twice} doubled", runs.len()),
        lost == 0 && twice == 0 && total > 0,
    )
}

fn memory(seen: &Seen) -> Item {
    let item = Item::new(
        "memory of the supervisor",
        format!(
            "grows by less than {SLOPE_MB_PER_HOUR_MAX} MB an hour, the first {:.0} % left out",
            SETTLES * 100.0
        ),
    );
    let first = (seen.looks.len() as f64 * SETTLES) as usize;
    let Some(settled) = seen.looks.get(first..).filter(|looks| looks.len() > 2) else {
        return item.found("too short to tell", false);
    };
    let points: Vec<(f64, f64)> = settled.iter().map(|(second, rss, _)| (*second, *rss as f64)).collect();
    let per_hour = slope(&points) * 3600.0 / 1e6;
    let mb = |look: Option<&(f64, u64, u64)>| look.map_or(f64::NAN, |look| look.1 as f64 / 1e6);
    // A step is told from a slope.
    let parts =
        (1..=PARTS).filter_map(|part| seen.looks.get((seen.looks.len() * part / PARTS).saturating_sub(1)));
    let parts: Vec<String> = parts.map(|look| format!("{:.0}", mb(Some(look)))).collect();
    let parts = parts.join(", ");
    let figure = format!(
        "{:.1} MB after a second, {:.1} MB settled, {:.1} MB at the end ({parts} MB by tenths of the time): {per_hour:+.1} MB an hour",
        mb(seen.looks.first()),
        mb(settled.first()),
        mb(settled.last()),
    );
    item.found(figure, per_hour < SLOPE_MB_PER_HOUR_MAX)
}

/// Of the straight line that is nearest to the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |read: fn(&(f64, f64)) -> f64| points.iter().map(read).sum::<f64>() / count;
    let (middle, height) = (mean(|point| point.0), mean(|point| point.1));
    let together: f64 = points.iter().map(|(x, y)| (x - middle) * (y - height)).sum();
    let spread: f64 = points.iter().map(|(x, _)| (x - middle).powi(2)).sum();
    together / spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_steadily_has_its_slope() {
        let points: Vec<(f64, f64)> =
            (0..100).map(|x| (f64::from(x), f64::from(x) * 3.0 + f64::from(x % 2))).collect();
        assert!((slope(&points) - 3.0).abs() < 0.01, "{}", slope(&points));
        assert_eq!(slope(&[(0.0, 7.0), (1.0, 7.0), (2.0, 7.0)]), 0.0);
    }

    #[test]
    fn a_leak_is_a_failure() {
        let seen = |per_second: u64| Seen {
            looks: (0..600).map(|second| (second as f64, 50_000_000 + second * per_second, 20)).collect(),
            ..Seen::default()
        };
        assert!(!memory(&seen(100)).is_failed());
        assert!(memory(&seen(100_000)).is_failed());
    }
}
