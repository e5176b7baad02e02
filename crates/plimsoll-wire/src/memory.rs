//! What is known of a process's memory: told by its watchdog, at most twice a second, and only when it has changed.

/// Longest pauses of each bucket, in milliseconds; the last one has none. Those of OpenTelemetry's `v8js.gc.duration`, and those
/// of prom-client's `nodejs_gc_duration_seconds`.
pub const BOUNDS_MS: [u64; 7] = [1, 10, 100, 1000, 2000, 5000, 10_000];
/// One for each bound, and one for what is longer.
pub const BUCKETS: usize = BOUNDS_MS.len() + 1;
/// Kinds of collections: minor, major, incremental marking, weak callbacks.
pub const KINDS: usize = 4;

/// Pauses of one kind since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pauses {
    /// By length: see [`BOUNDS_MS`].
    pub buckets: [u64; BUCKETS],
    pub total_us: u64,
}

impl Pauses {
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(*bucket))
    }
}

/// Bytes where it says nothing else; 0 where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub heap_used: u64,
    pub heap_total: u64,
    pub heap_limit: u64,
    /// What JavaScript holds outside the heap, array buffers with it.
    pub external: u64,
    pub array_buffers: u64,
    /// What was left of the heap by the last major collection.
    pub after_major: u64,
    /// Allocated in the heap since the process started, as far as collections have shown.
    pub allocated: u64,
    /// For how long the loop has not waited.
    pub busy_us: u64,
    pub pauses: [Pauses; KINDS],
}

impl Figures {
    /// All numbers, in the order in which they are written.
    fn numbers(&mut self) -> impl Iterator<Item = &mut u64> {
        let pauses = self.pauses.iter_mut();
        let pauses =
            pauses.flat_map(|kind| kind.buckets.iter_mut().chain(std::iter::once(&mut kind.total_us)));
        [
            &mut self.heap_used,
            &mut self.heap_total,
            &mut self.heap_limit,
            &mut self.external,
            &mut self.array_buffers,
            &mut self.after_major,
            &mut self.allocated,
            &mut self.busy_us,
        ]
        .into_iter()
        .chain(pauses)
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut figures = Self::default();
        let mut words = text.split(' ');
        for number in figures.numbers() {
            *number = words.next()?.parse().ok()?;
        }
        words.next().is_none().then_some(figures)
    }

    pub(crate) fn write(&self) -> String {
        let mut copy = *self;
        copy.numbers().map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
    }
}

/// What one request has allocated in the heap, from its claim to the end of its answer. Only told where nothing else ran
/// meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocated {
    pub method: String,
    /// Without its query; not longer than [`ROUTE_MAX`](crate::message::ROUTE_MAX).
    pub path: String,
    pub bytes: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_back_as_themselves_and_nothing_else_is_read() {
        let mut figures = Figures::default();
        for (index, number) in (1..).zip(figures.numbers()) {
            *number = index << 40;
        }
        let text = figures.write();
        assert_eq!(Figures::read(&text), Some(figures));
        assert_eq!(text.split(' ').count(), 8 + KINDS * (BUCKETS + 1));
        for broken in [String::new(), format!("{text} 1"), text.replacen(' ', " -", 1), "1 2".to_owned()] {
            assert_eq!(Figures::read(&broken), None, "{broken}");
        }
    }
}
