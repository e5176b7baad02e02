//! How long a client is waited for that is slow to send the body of its request.
//!
//! A byte now and then would hold a connection and a worker's link for as long as the client likes. So each byte buys the
//! time that it may take at the least rate, and no more; whoever sends as fast as that owes nothing. A client that sends
//! by fits and starts is waited for as before: what counts is for how long it is behind.

use std::time::Duration;

use super::super::watch::Time;

/// Since when the client owes bytes.
#[derive(Debug)]
pub(super) struct Patience {
    since: Time,
    /// Bytes of the body that have been paid for.
    sent: u64,
    /// At the last look it was the client's turn.
    has_waited: bool,
}

/// What there is to see at a look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) now: Time,
    /// Bytes of the body that have come so far.
    pub(super) sent: u64,
    /// It is the client's turn: time in which the app does not read is its own.
    pub(super) waits: bool,
    /// The answer is coming meanwhile, so that this is a conversation.
    pub(super) is_answered: bool,
    /// Bytes per second.
    pub(super) rate: Option<u64>,
}

impl Patience {
    pub(super) fn new(now: Time) -> Self {
        Self { since: now, sent: 0, has_waited: false }
    }

    /// Since when the client owes bytes.
    pub(super) fn look(&mut self, look: Look) -> Time {
        let Look { now, sent, waits, is_answered, rate } = look;
        let bytes = sent.saturating_sub(self.sent);
        match rate.filter(|_| self.has_waited && waits && !is_answered) {
            // Fractions of a millisecond are paid for together with what comes next.
            Some(rate) => match bytes.saturating_mul(1000) / rate.max(1) {
                0 => {}
                ms => {
                    self.since = now.min(self.since.after(Duration::from_millis(ms)));
                    self.sent = sent;
                }
            },
            None if bytes > 0 || is_answered || !waits => {
                self.since = now;
                self.sent = sent;
            }
            None => {}
        }
        self.has_waited = waits;
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::ZERO;

    /// After how many seconds the client owes for ten, if it sends so many bytes each second.
    fn owes_after(bytes: u64, rate: Option<u64>) -> Option<u64> {
        let mut patience = Patience::new(START);
        (1..=1000).find(|second| {
            let now = START.after(Duration::from_secs(*second));
            let since =
                patience.look(Look { now, sent: second * bytes, waits: true, is_answered: false, rate });
            now >= since.after(Duration::from_secs(10))
        })
    }

    #[test]
    fn who_sends_less_than_the_least_rate_is_cut_sooner_or_later() {
        for (bytes, rate, expected) in [
            (0, None, Some(10)),
            (0, Some(16), Some(10)),
            (1, None, None),
            (1, Some(16), Some(12)),
            (8, Some(16), Some(21)),
            (15, Some(16), Some(160)),
            (16, Some(16), None),
            (1_000_000, Some(16), None),
            // Less than a millisecond's worth each.
            (1, Some(1_000_000), Some(11)),
            (900, Some(1_000_000), Some(12)),
        ] {
            assert_eq!(owes_after(bytes, rate), expected, "{bytes} bytes/s, least {rate:?}");
        }
    }

    #[test]
    fn time_in_which_the_app_does_not_read_is_not_the_clients() {
        let at = |second| START.after(Duration::from_secs(second));
        let mut patience = Patience::new(START);
        let mut look = |second, sent, waits, is_answered| {
            patience.look(Look { now: at(second), sent, waits, is_answered, rate: Some(16) })
        };
        assert_eq!(look(1, 160, true, false), at(1), "what comes before the first look owes nothing");
        assert_eq!(look(2, 160, false, false), at(2));
        assert_eq!(look(50, 160, false, false), at(50));
        assert_eq!(look(60, 176, true, false), at(60));
        assert_eq!(look(65, 192, true, false), at(61), "16 bytes are a second's worth");
        assert_eq!(look(66, 192, true, true), at(66), "an answer that comes is as good");
    }
}
