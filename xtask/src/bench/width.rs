//! What the CPUs have to give at this moment: a CPU that is one of two threads of a core has only part of the core while somebody
//! else runs on the other, who may be of another machine. No time is taken away then (`steal` tells nothing), and no chain of steps
//! takes longer; but fewer steps are done at once, and caches are shared.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a few thousand rounds of the loop; short beside a turn.
const LOOK: Duration = Duration::from_millis(60);
/// Chains of steps of which none waits for another: more than a core can have under way.
const CHAINS: usize = 8;
const STEPS: u32 = 2_000;

/// Steps per microsecond that all CPUs together do now, if nobody of ours uses them.
pub(super) fn now() -> f64 {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let all: Vec<_> = (0..cpus).map(|_| scope.spawn(of_one_cpu)).collect();
        all.into_iter().filter_map(|one| one.join().ok()).sum()
    })
}

fn of_one_cpu() -> f64 {
    let begun = Instant::now();
    let mut chains = [1_u64; CHAINS];
    let mut steps = 0_u64;
    while begun.elapsed() < LOOK {
        for _ in 0..STEPS {
            for (number, chain) in (0_u64..).zip(&mut chains) {
                *chain = (*chain ^ number).wrapping_add(0x9E37_79B9);
            }
        }
        chains = black_box(chains);
        steps += u64::from(STEPS) * CHAINS as u64;
    }
    steps as f64 / (begun.elapsed().as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_done() {
        assert!(now() > 0.0);
    }
}
