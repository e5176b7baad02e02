//! Every order in which one side tells and the other falls asleep (loom).

use std::sync::Arc;

use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use super::*;

#[derive(Default)]
struct Side {
    bits: AtomicU32,
    sleeps: AtomicU32,
    /// How often it was rung.
    bell: AtomicU32,
    /// What it is told about.
    sent: AtomicU32,
}

impl Side {
    fn send(&self, link: usize) {
        self.sent.fetch_add(1, Relaxed);
        if tell(&self.bits, link, &self.sleeps) {
            self.bell.fetch_add(1, Relaxed);
        }
    }
}

#[test]
fn nobody_sleeps_over_what_was_told() {
    loom::model(|| {
        let side = Arc::new(Side::default());
        let teller = thread::spawn({
            let side = Arc::clone(&side);
            move || {
                side.send(3);
                side.send(4);
            }
        });
        doze(&side.sleeps);
        let before = hear(&side.bits);
        let seen = side.sent.load(Relaxed);
        assert!(before == 0 || seen > 0, "what was told about is there");
        teller.join().unwrap();
        // Whatever was not heard before the sleep ends it.
        let rest = hear(&side.bits);
        assert_eq!(before | rest, 0b11000);
        assert!(rest == 0 || side.bell.load(Relaxed) > 0, "heard {before:b}, slept over {rest:b}");
    });
}

#[test]
fn two_who_tell_ring_once() {
    loom::model(|| {
        let side = Arc::new(Side::default());
        doze(&side.sleeps);
        let tellers = [1, 2].map(|link| {
            let side = Arc::clone(&side);
            thread::spawn(move || side.send(link))
        });
        tellers.into_iter().for_each(|teller| teller.join().unwrap());
        assert_eq!((hear(&side.bits), side.bell.load(Relaxed)), (0b110, 1));
    });
}
