//! What is said of memory.

use crate::concerns::memory::churn::{Saving, Weight};
use crate::concerns::memory::trend::{Leak, Suspect};
use crate::concerns::memory::words;
use crate::observe::status;
use crate::workers::{self, LeakTold, Snapshot};

pub(super) fn describe(snapshot: &Snapshot, routes: &[status::Route]) -> status::Memory {
    let workers::Recycled { heap, resident, requests } = snapshot.recycled;
    let recycled = status::Recycled { heap, resident, requests };
    let saving = |Saving { semi_mb, per_mille }| status::Saving { semi_space_mb: semi_mb, per_mille };
    status::Memory {
        share_bytes: snapshot.memory_share,
        recycled,
        leaks: snapshot.leaks.iter().map(leak).collect(),
        churn: churn(&snapshot.churn, routes),
        saving: snapshot.saving.map(saving),
    }
}

fn leak(told: &LeakTold) -> status::Leak {
    let Leak { growth, suspects } = &told.leak;
    let suspect = |Suspect { route, bytes_per_request }: &Suspect| status::Suspect {
        route: route.clone(),
        bytes_per_request: *bytes_per_request,
    };
    status::Leak {
        worker: told.worker,
        age_s: told.at.elapsed().as_secs(),
        from_bytes: growth.from_bytes,
        to_bytes: growth.to_bytes,
        over_s: growth.over.as_secs(),
        requests: growth.requests,
        suspects: suspects.iter().map(suspect).collect(),
        text: words::leak(&told.leak),
        hint: words::leak_hint(told.worker),
    }
}

fn churn(weights: &[Weight], routes: &[status::Route]) -> Vec<status::Churn> {
    let requests = |weight: &Weight| {
        let route = routes.iter().find(|route| route.route == weight.route);
        route.map_or(u64::from(weight.weighed), |route| route.requests)
    };
    let in_all = |weight: &Weight| u128::from(weight.bytes) * u128::from(requests(weight));
    let sum: u128 = weights.iter().map(in_all).sum();
    let share = |weight: &Weight| (in_all(weight) * 1000).checked_div(sum).unwrap_or(0);
    let mut churn: Vec<status::Churn> = weights
        .iter()
        .map(|weight| status::Churn {
            route: weight.route.clone(),
            bytes_per_request: weight.bytes,
            weighed: weight.weighed,
            share_per_mille: u32::try_from(share(weight)).unwrap_or(0),
        })
        .collect();
    churn.sort_by_key(|row| std::cmp::Reverse((row.share_per_mille, row.bytes_per_request)));
    churn
}
