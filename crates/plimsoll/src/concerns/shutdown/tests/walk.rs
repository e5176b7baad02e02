//! Random walks against what must always hold.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A step: which input, for which of the processes that run, after how long.
#[derive(Debug, Clone, Copy)]
struct Walk {
    kind: u8,
    which: usize,
    wait: u64,
}

fn walk() -> impl Strategy<Value = Vec<Walk>> {
    let step = (0u8..26, 0usize..8, 0u64..3_000).prop_map(|(kind, which, wait)| Walk { kind, which, wait });
    proptest::collection::vec(step, 1..300)
}

#[derive(Debug)]
struct World {
    fleet: Fleet,
    now: Instant,
    running: BTreeSet<WorkerId>,
    surge: usize,
    /// Reloads and scales that began and have not ended.
    reloads: i32,
}

impl World {
    fn input_of(&self, step: Walk) -> Input {
        let some = self.running.iter().nth(step.which % self.running.len().max(1));
        let worker = some.copied().unwrap_or(id(9, 9));
        match step.kind {
            0 => Input::Begin,
            1 => Input::Release,
            2..=5 => Input::Listens(worker),
            6..=8 => Input::Covers(worker),
            9 => Input::FallsSilent(worker),
            10..=12 => Input::Exited(worker),
            13..=15 => Input::Idle(worker),
            16 | 17 => Input::Reload(Some(1 + u16::try_from(step.which % 2).unwrap())),
            18 => Input::Scale(1 + u16::try_from(step.which).unwrap()),
            19 if step.wait < 100 => Input::Stop,
            20 if step.wait < 30 => Input::StopNow,
            21 => Input::Quiet,
            22 => Input::Again(worker),
            23 => Input::Renew(worker),
            _ => Input::Tick,
        }
    }

    fn ready(&self) -> usize {
        self.fleet.places().iter().filter(|place| place.is_ready()).count()
    }

    fn follow(&mut self, input: Input) -> Result<(), TestCaseError> {
        if let Input::Exited(worker) | Input::Again(worker) = input {
            self.running.remove(&worker);
        }
        if let Input::Reload(Some(surge)) = input {
            self.surge = self.surge.max(surge.into());
        }
        let (was_serving, ready) = (self.fleet.is_serving(), self.ready());
        let mut seen = BTreeSet::new();
        for action in self.fleet.handle(input, self.now) {
            match action {
                Action::Start(worker) => {
                    prop_assert!(was_serving, "nothing starts once a drain has begun");
                    prop_assert!(self.running.insert(worker), "{worker:?} starts twice");
                }
                Action::Terminate(worker) | Action::Kill(worker) => {
                    prop_assert!(self.running.contains(&worker), "{worker:?} is signalled and does not run");
                    prop_assert!(seen.insert((worker, action == Action::Kill(worker))), "signalled twice");
                }
                Action::ReloadBegins => self.reloads += 1,
                Action::ReloadEnds(_) => self.reloads -= 1,
                _ => {}
            }
        }
        prop_assert!((0..=1).contains(&self.reloads), "one reload at a time, and each ends");
        let is_loss = matches!(input, Input::Exited(_) | Input::Again(_) | Input::FallsSilent(_));
        if self.fleet.phase() == Phase::Running && !is_loss && ready > 0 {
            prop_assert!(self.ready() > 0, "the last one that served was sent away by {input:?}");
        }
        self.count()
    }

    /// Every process that the fleet speaks of runs, and the surge is kept.
    fn count(&self) -> Result<(), TestCaseError> {
        let fleet = &self.fleet;
        let candidates: Vec<_> = fleet.places().iter().filter_map(|place| place.candidate).collect();
        let alive = fleet.places().iter().filter(|place| place.is_alive()).map(|place| place.id);
        let known: BTreeSet<_> = alive
            .chain(candidates.iter().map(|candidate| candidate.id))
            .chain(fleet.leaving().iter().map(|leaving| leaving.id))
            .collect();
        prop_assert!(fleet.phase() == Phase::Over || known.is_subset(&self.running), "{known:?} {self:?}");
        prop_assert!(candidates.len() <= self.surge, "more candidates than the surge allows");
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_happens_processes_are_accounted_for_and_a_stop_ends(steps in walk(), delay in 0u64..2) {
        let config = Config { workers: 3, delay: Duration::from_secs(delay), jitter: Jitter::new(delay), ..CONFIG };
        let fleet = Fleet::new(config);
        let mut world = World { fleet, now: Instant::now(), running: BTreeSet::new(), surge: 1, reloads: 0 };
        for step in steps {
            world.now += ms(step.wait);
            world.follow(world.input_of(step))?;
        }
        world.follow(Input::Stop)?;
        let mut turns = 0;
        while world.fleet.phase() != Phase::Over {
            prop_assert!(turns < 40, "a stop always ends: {world:?}");
            turns += 1;
            world.now = world.fleet.next_deadline().unwrap_or(world.now).max(world.now);
            world.follow(Input::Tick)?;
        }
        prop_assert_eq!(world.reloads, 0);
    }

    /// Without deaths, a reload ends with all workers renewed, and there never were more processes than
    /// workers and surge.
    #[test]
    fn a_reload_without_mishaps_renews_all(workers in 1u16..6, surge in 1u16..4) {
        let fleet = Fleet::new(Config { workers, ..CONFIG });
        let mut world =
            World { fleet, now: Instant::now(), running: BTreeSet::new(), surge: surge.into(), reloads: 0 };
        for input in [Input::Begin, Input::Release] {
            world.follow(input)?;
        }
        for worker in world.running.clone() {
            world.follow(Input::Listens(worker))?;
        }
        world.follow(Input::Reload(Some(surge)))?;
        let mut turns = 0;
        while world.reloads > 0 {
            prop_assert!(turns < 20, "a reload always ends: {world:?}");
            turns += 1;
            prop_assert!(world.running.len() <= usize::from(workers + surge));
            world.now += ms(50);
            for place in world.fleet.places().to_vec() {
                if let Some(candidate) = place.candidate {
                    world.follow(Input::Listens(candidate.id))?;
                    world.follow(Input::Covers(candidate.id))?;
                }
            }
            world.now += ms(50);
            for leaving in world.fleet.leaving().to_vec() {
                world.follow(Input::Idle(leaving.id))?;
                world.follow(Input::Exited(leaving.id))?;
            }
        }
        prop_assert_eq!(world.fleet.renewed(), usize::from(workers));
    }
}
