//! Two rings: the last minutes by the second, the last hour by ten.

use std::collections::VecDeque;

use super::Sample;

const SHORT_MAX: usize = 300;
const LONG_MAX: usize = 360;

#[derive(Debug, Default)]
pub(super) struct Rings {
    short: VecDeque<Sample>,
    long: VecDeque<Sample>,
}

impl Rings {
    pub(super) fn add(&mut self, short: Sample, long: Option<Sample>) {
        push(&mut self.short, short, SHORT_MAX);
        if let Some(long) = long {
            push(&mut self.long, long, LONG_MAX);
        }
    }

    pub(super) fn short(&self) -> impl Iterator<Item = &Sample> {
        self.short.iter()
    }

    pub(super) fn long(&self) -> impl Iterator<Item = &Sample> {
        self.long.iter()
    }

    /// What ended within the last `time_ms`, oldest first.
    pub(super) fn last(&self, time_ms: u64, now_ms: u64) -> impl Iterator<Item = &Sample> {
        let from = now_ms.saturating_sub(time_ms);
        // The short ring is the better one as long as nothing of that time has left it.
        let reaches = self.short.len() < SHORT_MAX || self.short.front().is_some_and(|first| first.t < from);
        let ring = if reaches { &self.short } else { &self.long };
        ring.iter().skip_while(move |sample| sample.t < from)
    }
}

fn push(ring: &mut VecDeque<Sample>, sample: Sample, most: usize) {
    if ring.len() >= most {
        ring.pop_front();
    }
    ring.push_back(sample);
}
