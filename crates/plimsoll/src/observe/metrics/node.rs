//! What prom-client's default metrics say of a Node process, for each worker, under their names and with their labels: boards
//! that were made for them go on working. Most is told by the process itself when it is asked; what the kernel knows is read
//! from outside, so that it is there while a loop is blocked.

use std::collections::BTreeMap;
use std::iter;
use std::sync::{Mutex, PoisonError};

use super::Scrape;
use super::apps::Node;
use super::table::{Labels, Metric, Number, Samples, Values};
use crate::sys::proc::Figures;

const WORKER: &[&str] = &["worker"];

/// What the kernel says of Plimsoll, and of each worker with the processes below it.
#[derive(Debug, Clone, Default)]
pub(super) struct Processes {
    own: Figures,
    workers: BTreeMap<u16, Figures>,
}

impl Processes {
    pub(super) fn read(workers: impl Iterator<Item = (u16, u32)>, steady: &Steady) -> Self {
        // Held while they are read: who reads later must not be corrected by who has read before.
        let mut known = steady.0.lock().unwrap_or_else(PoisonError::into_inner);
        let corrected = |(id, pid)| {
            let figures = Figures::of_tree(pid)?;
            Some((id, known.entry(id).or_default().correct(pid, figures)))
        };
        let workers = workers.filter_map(corrected).collect();
        Self { own: Figures::of_process(std::process::id()).unwrap_or_default(), workers }
    }
}

/// Keeps the CPU time of a worker from falling: a process whose parent has ended is no longer found below the worker, and
/// what it has used until then would be missing.
#[derive(Debug, Default)]
pub struct Steady(Mutex<BTreeMap<u16, Known>>);

#[derive(Debug, Default)]
struct Known {
    pid: u32,
    last: [f64; 2],
    missing: [f64; 2],
}

impl Known {
    fn correct(&mut self, pid: u32, figures: Figures) -> Figures {
        if self.pid != pid {
            *self = Self { pid, ..Self::default() };
        }
        let now = [figures.cpu_user_seconds, figures.cpu_system_seconds];
        let each = iter::zip(&mut self.missing, &mut self.last).zip(now);
        each.for_each(|((missing, last), now)| *missing += (std::mem::replace(last, now) - now).max(0.0));
        let [user, system] = self.missing;
        Figures {
            cpu_user_seconds: figures.cpu_user_seconds + user,
            cpu_system_seconds: figures.cpu_system_seconds + system,
            ..figures
        }
    }
}

macro_rules! lag {
    ($name:literal, $help:literal, $field:ident) => {
        Metric {
            name: $name,
            help: $help,
            labels: WORKER,
            values: Values::Gauge(|scrape| of_node(scrape, |node| node.$field)),
        }
    };
}

macro_rules! space {
    ($name:literal, $help:literal, $index:literal) => {
        Metric {
            name: $name,
            help: $help,
            labels: &["worker", "space"],
            values: Values::Gauge(|scrape| spaces(scrape, $index)),
        }
    };
}

macro_rules! active {
    ($name:literal, $total:literal, $help:literal, $help_total:literal, $field:ident) => {
        [
            Metric {
                name: $name,
                help: $help,
                labels: &["worker", "type"],
                values: Values::Gauge(|scrape| by_type(scrape, |node| &node.$field)),
            },
            Metric {
                name: $total,
                help: $help_total,
                labels: WORKER,
                values: Values::Gauge(|scrape| {
                    of_node(scrape, |node| Some(node.$field.as_ref()?.values().sum()))
                }),
            },
        ]
    };
}

pub(super) const METRICS: &[Metric] = &[
    lag!("nodejs_eventloop_lag_seconds", "How late a worker's event loop was when it was asked.", lag),
    lag!(
        "nodejs_eventloop_lag_min_seconds",
        "Shortest delay of the loop since the last scrape; like all of these with the 10 ms over which it is measured.",
        lag_min
    ),
    lag!("nodejs_eventloop_lag_max_seconds", "Longest delay of the loop since the last scrape.", lag_max),
    lag!(
        "nodejs_eventloop_lag_mean_seconds",
        "Mean of the delays of the loop since the last scrape.",
        lag_mean
    ),
    lag!("nodejs_eventloop_lag_stddev_seconds", "Standard deviation of these delays.", lag_stddev),
    lag!("nodejs_eventloop_lag_p50_seconds", "Median of these delays.", lag_p50),
    lag!("nodejs_eventloop_lag_p90_seconds", "90th percentile of these delays.", lag_p90),
    lag!("nodejs_eventloop_lag_p99_seconds", "99th percentile of these delays.", lag_p99),
    Metric {
        name: "nodejs_eventloop_utilization_ratio",
        help: "Share of its time in which a worker's loop has not waited, between the last two scrapes; 1 where it does not answer.",
        labels: WORKER,
        values: Values::Gauge(|scrape| {
            let shares = scrape.apps.shares.iter();
            shares.map(|(worker, share)| (vec![worker.to_string()], Number::Real(*share))).collect()
        }),
    },
    Metric {
        name: "nodejs_eventloop_time_seconds_total",
        help: "For how long a worker's loop has been active, and idle.",
        labels: &["worker", "nodejs_eventloop_state"],
        values: Values::Counter(|scrape| {
            let of = |(worker, node): (&u16, &Node)| {
                [("active", node.active_ms), ("idle", node.idle_ms)].map(|(state, ms)| {
                    (vec![worker.to_string(), state.to_owned()], Number::Real(ms / 1000.0))
                })
            };
            scrape.apps.nodes.iter().flat_map(of).collect()
        }),
    },
    RESOURCES[0],
    RESOURCES[1],
    HANDLES[0],
    HANDLES[1],
    REQUESTS[0],
    REQUESTS[1],
    space!("nodejs_heap_space_size_total_bytes", "Size of each space of a worker's heap.", 0),
    space!("nodejs_heap_space_size_used_bytes", "What is used of it.", 1),
    space!("nodejs_heap_space_size_available_bytes", "What is free of it.", 2),
    Metric {
        name: "nodejs_version_info",
        help: "Always 1; the version of Node that a worker runs.",
        labels: &["worker", "version", "major", "minor", "patch"],
        values: Values::Gauge(versions),
    },
    Metric {
        name: "process_cpu_user_seconds_total",
        help: "User CPU time of a worker's process and those below it.",
        labels: WORKER,
        values: Values::Counter(|scrape| of_process(scrape, |one| Some(Number::Real(one.cpu_user_seconds)))),
    },
    Metric {
        name: "process_cpu_system_seconds_total",
        help: "System CPU time of a worker.",
        labels: WORKER,
        values: Values::Counter(|scrape| {
            of_process(scrape, |one| Some(Number::Real(one.cpu_system_seconds)))
        }),
    },
    Metric {
        name: "process_cpu_seconds_total",
        help: "User and system CPU time of a worker.",
        labels: WORKER,
        values: Values::Counter(|scrape| of_process(scrape, |one| Some(Number::Real(cpu(one))))),
    },
    Metric {
        name: "process_start_time_seconds",
        help: "When a worker's process was started, in seconds since the epoch.",
        labels: WORKER,
        values: Values::Gauge(|scrape| of_process(scrape, |one| one.start_time_seconds.map(Number::Real))),
    },
    Metric {
        name: "process_resident_memory_bytes",
        help: "Resident memory of a worker.",
        labels: WORKER,
        values: Values::Gauge(|scrape| of_process(scrape, |one| Some(Number::Whole(one.resident_bytes)))),
    },
    Metric {
        name: "process_virtual_memory_bytes",
        help: "Address space of a worker.",
        labels: WORKER,
        values: Values::Gauge(|scrape| of_process(scrape, |one| Some(Number::Whole(one.virtual_bytes)))),
    },
    Metric {
        name: "process_heap_bytes",
        help: "Data segment of a worker, as the kernel counts it.",
        labels: WORKER,
        values: Values::Gauge(|scrape| of_process(scrape, |one| Some(Number::Whole(one.data_bytes)))),
    },
    Metric {
        name: "process_open_fds",
        help: "File descriptors that a worker has open.",
        labels: WORKER,
        values: Values::Gauge(|scrape| of_process(scrape, |one| one.open_fds.map(Number::Whole))),
    },
    Metric {
        name: "process_max_fds",
        help: "File descriptors that a worker's process may have.",
        labels: WORKER,
        values: Values::Gauge(|scrape| of_process(scrape, |one| one.max_fds.map(Number::Whole))),
    },
    Metric {
        name: "plimsoll_process_cpu_seconds_total",
        help: "CPU time of Plimsoll itself, without the workers.",
        labels: &[],
        values: Values::Counter(|scrape| own(scrape, |one| Some(Number::Real(cpu(one))))),
    },
    Metric {
        name: "plimsoll_process_resident_memory_bytes",
        help: "Resident memory of Plimsoll itself.",
        labels: &[],
        values: Values::Gauge(|scrape| own(scrape, |one| Some(Number::Whole(one.resident_bytes)))),
    },
    Metric {
        name: "plimsoll_process_open_fds",
        help: "File descriptors that Plimsoll has open.",
        labels: &[],
        values: Values::Gauge(|scrape| own(scrape, |one| one.open_fds.map(Number::Whole))),
    },
    Metric {
        name: "plimsoll_process_start_time_seconds",
        help: "When Plimsoll was started, in seconds since the epoch.",
        labels: &[],
        values: Values::Gauge(|scrape| own(scrape, |one| one.start_time_seconds.map(Number::Real))),
    },
];

const RESOURCES: [Metric; 2] = active!(
    "nodejs_active_resources",
    "nodejs_active_resources_total",
    "What keeps a worker's loop alive, by type.",
    "What keeps a worker's loop alive.",
    resources
);
const HANDLES: [Metric; 2] = active!(
    "nodejs_active_handles",
    "nodejs_active_handles_total",
    "Handles of libuv that are active in a worker, by type.",
    "Handles of libuv that are active in a worker.",
    handles
);
const REQUESTS: [Metric; 2] = active!(
    "nodejs_active_requests",
    "nodejs_active_requests_total",
    "Requests of libuv (not of HTTP) that are active in a worker, by type.",
    "Requests of libuv (not of HTTP) that are active in a worker.",
    requests
);

fn cpu(one: &Figures) -> f64 {
    one.cpu_user_seconds + one.cpu_system_seconds
}

fn of_node(scrape: &Scrape, read: fn(&Node) -> Option<f64>) -> Samples {
    let told = scrape.apps.nodes.iter();
    told.filter_map(|(worker, node)| Some((vec![worker.to_string()], Number::Real(read(node)?)))).collect()
}

fn spaces(scrape: &Scrape, index: usize) -> Samples {
    let of = |(worker, node): (&u16, &Node)| {
        let worker = worker.to_string();
        let number = |(space, sizes): (&String, &[f64; 3])| {
            let size = sizes.get(index).copied()?;
            Some((vec![worker.clone(), space.clone()], Number::Real(size)))
        };
        node.spaces.iter().filter_map(number).collect::<Vec<_>>()
    };
    scrape.apps.nodes.iter().flat_map(of).collect()
}

fn by_type(scrape: &Scrape, read: fn(&Node) -> &Option<BTreeMap<String, f64>>) -> Samples {
    let of = |(worker, node): (&u16, &Node)| {
        let label = |kind: &String| vec![worker.to_string(), kind.clone()];
        let counts = read(node).iter().flatten();
        counts.map(|(kind, count)| (label(kind), Number::Real(*count))).collect::<Vec<_>>()
    };
    scrape.apps.nodes.iter().flat_map(of).collect()
}

fn versions(scrape: &Scrape) -> Samples {
    let of = |(worker, node): (&u16, &Node)| {
        let mut numbers = node.version.strip_prefix('v')?.splitn(3, '.').map(str::to_owned);
        let (major, minor, patch) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let labels: Labels = vec![worker.to_string(), node.version.clone(), major, minor, patch];
        Some((labels, Number::Whole(1)))
    };
    scrape.apps.nodes.iter().filter_map(of).collect()
}

fn of_process(scrape: &Scrape, read: fn(&Figures) -> Option<Number>) -> Samples {
    let workers = scrape.processes.workers.iter();
    workers.filter_map(|(worker, one)| Some((vec![worker.to_string()], read(one)?))).collect()
}

fn own(scrape: &Scrape, read: fn(&Figures) -> Option<Number>) -> Samples {
    read(&scrape.processes.own).map(|number| (Labels::new(), number)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_worker_goes_on_where_a_process_below_it_is_lost_and_begins_anew_with_the_next_one() {
        let mut known = Known::default();
        let shown =
            [(7, 10.0), (7, 12.0), (7, 5.0), (7, 6.0), (7, 1.0), (8, 0.5), (8, 0.75)].map(|(pid, user)| {
                let figures =
                    Figures { cpu_user_seconds: user, cpu_system_seconds: user / 2.0, ..Figures::default() };
                let told = known.correct(pid, figures);
                assert!((told.cpu_user_seconds - 2.0 * told.cpu_system_seconds).abs() < 1e-9);
                told.cpu_user_seconds
            });
        for (shown, expected) in iter::zip(shown, [10.0, 12.0, 12.0, 13.0, 13.0, 0.5, 0.75]) {
            assert!((shown - expected).abs() < 1e-9, "{shown} instead of {expected}");
        }
    }
}
