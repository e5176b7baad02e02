//! How bad something is, in one unit: milliseconds of waiting in each second.
//!
//! That is, by Little's law, a thousand times the number of clients that stand and wait for it at any moment. So a
//! stalled loop, a queue for connections and a lost request can be held against each other:
//!
//! * waiting that was measured counts as it is;
//! * a request that failed counts as ten seconds: about what a client waits before it gives up;
//! * where the waiting is put upon a service behind us, it counts the same, and is said to be that.

use serde::{Deserialize, Serialize};

/// What a failed request counts for.
pub const FAILED_MS: u64 = 10_000;

/// Less than this in each second is noise: a client that waits for the hundredth part of the time.
const NOISE_MS_PER_S: f64 = 10.0;
/// A smaller part of all waiting is worth a line only where it is much by itself.
const SHARE_MIN: f64 = 0.01;
const MUCH_MS_PER_S: f64 = 100.0;
/// From this part of all waiting on it is what clients suffer from.
const SHARE_CRITICAL: f64 = 0.1;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A tenth of all waiting or more.
    Critical,
    /// Measured, and less.
    Warning,
    /// Nobody has been hurt by it yet.
    #[default]
    Advice,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Advice => "advice",
        }
    }
}

/// Who waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Whose {
    #[default]
    Clients,
    /// Calls that stand in line at a service which the app calls.
    Service,
    /// The loop's own time: at least the request that it then ran waited.
    Loop,
}

/// What something has cost in the time that is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) whose: Whose,
    pub(super) waited_ms: u64,
    pub(super) failed: u64,
    /// It is said however little it cost so far: it is a danger.
    pub(super) is_danger: bool,
}

impl Damage {
    pub(super) fn clients(waited_ms: u64) -> Self {
        Self { waited_ms, ..Self::default() }
    }

    /// Of the loop itself.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded before")]
    pub(super) fn loop_time(ms: f64) -> Self {
        Self { whose: Whose::Loop, waited_ms: ms.clamp(0.0, 1e15) as u64, ..Self::default() }
    }

    pub(super) fn danger() -> Self {
        Self { is_danger: true, ..Self::default() }
    }

    pub(super) fn per_second(&self, seconds: f64) -> f64 {
        super::as_f64(self.waited_ms.saturating_add(self.failed.saturating_mul(FAILED_MS))) / seconds
    }

    /// Of all that clients waited; `None`: it is not their waiting.
    pub(super) fn share(&self, seconds: f64, waiting: f64) -> Option<f64> {
        let mine = self.per_second(seconds);
        // Requests that are still waiting are not in the total yet.
        (self.whose != Whose::Service && mine > 0.0).then(|| mine / waiting.max(mine))
    }

    pub(super) fn is_worth_saying(&self, seconds: f64, waiting: f64) -> bool {
        let mine = self.per_second(seconds);
        let share = self.share(seconds, waiting).unwrap_or(1.0);
        self.is_danger || (mine >= NOISE_MS_PER_S && (share >= SHARE_MIN || mine >= MUCH_MS_PER_S))
    }

    pub(super) fn severity(&self, seconds: f64, waiting: f64) -> Severity {
        let mine = self.per_second(seconds);
        if mine < NOISE_MS_PER_S {
            return Severity::Advice;
        }
        let share = self.share(seconds, waiting).unwrap_or(0.0);
        if mine >= MUCH_MS_PER_S && share >= SHARE_CRITICAL { Severity::Critical } else { Severity::Warning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_and_failures_are_one_number_and_say_how_bad_it_is() {
        let waits = Damage::clients;
        let failed = |failed| Damage { failed, ..Damage::default() };
        let service = |waited_ms| Damage { whose: Whose::Service, ..waits(waited_ms) };
        // Of ten seconds, in which clients waited for 2,000 ms in each.
        let table = [
            (waits(0), 0.0, false, Severity::Advice),
            (Damage::danger(), 0.0, true, Severity::Advice),
            // Under one hundredth of one client's time.
            (waits(90), 9.0, false, Severity::Advice),
            // More, but less than one hundredth of all waiting.
            (waits(150), 15.0, false, Severity::Warning),
            (waits(300), 30.0, true, Severity::Warning),
            (waits(3000), 300.0, true, Severity::Critical),
            (failed(1), 1000.0, true, Severity::Critical),
            (service(3000), 300.0, true, Severity::Warning),
        ];
        for (damage, per_second, is_said, severity) in table {
            let found = (
                damage.per_second(10.0),
                damage.is_worth_saying(10.0, 2000.0),
                damage.severity(10.0, 2000.0),
            );
            assert_eq!(found, (per_second, is_said, severity), "{damage:?}");
        }
        assert_eq!(waits(5000).share(10.0, 2000.0), Some(0.25));
        assert_eq!(waits(50_000).share(10.0, 2000.0), Some(1.0), "who still waits is not counted yet");
        assert_eq!(service(5000).share(10.0, 2000.0), None);
    }
}
