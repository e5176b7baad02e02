//! Cells of a table: what is shown, and what it is sorted by.

use std::cmp::Ordering;

use crate::observe::units;

pub(super) const NONE: &str = "-";

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) text: String,
    /// `None`: by its text.
    number: Option<f64>,
    pub(super) tone: Tone,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Warn,
    Bad,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), number: None, tone: Tone::Plain }
    }

    pub(super) fn of(text: String, number: f64) -> Self {
        Self { text, number: Some(number), tone: Tone::Plain }
    }

    #[expect(clippy::cast_precision_loss, reason = "to sort by")]
    pub(super) fn count(number: u64) -> Self {
        Self::of(short(number as f64), number as f64)
    }

    /// Something that happens so often in a second.
    pub(super) fn rate(rate: Option<f64>) -> Self {
        rate.map_or_else(Self::none, |rate| Self::of(short(rate), rate))
    }

    pub(super) fn percent(share: Option<f64>) -> Self {
        share.map_or_else(Self::none, |share| {
            let share = share.clamp(0.0, 1.0);
            Self::of(format!("{:.0}%", share * 100.0), share)
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "shown in three digits")]
    pub(super) fn bytes(bytes: u64) -> Self {
        Self::of(units::size(bytes), bytes as f64)
    }

    pub(super) fn ms(ms: f64) -> Self {
        Self::of(milliseconds(ms), ms)
    }

    pub(super) fn none() -> Self {
        Self::of(NONE.to_owned(), -1.0)
    }

    pub(super) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    pub(super) fn bad_if(self, is_bad: bool) -> Self {
        if is_bad { self.toned(Tone::Bad) } else { self }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self.number, other.number) {
            (Some(one), Some(other)) => one.total_cmp(&other),
            _ => self.text.cmp(&other.text),
        }
    }
}

/// `7`, `1234`, `12.3k`, `4.1M`; below ten with a tenth where there is one.
pub(super) fn short(number: f64) -> String {
    match number {
        _ if number >= 1e6 => format!("{:.1}M", number / 1e6),
        _ if number >= 1e4 => format!("{:.1}k", number / 1e3),
        _ if number >= 10.0 || number.fract() == 0.0 => format!("{number:.0}"),
        _ => format!("{number:.1}"),
    }
}

pub(super) fn milliseconds(ms: f64) -> String {
    match ms {
        _ if ms == 0.0 => "0ms".to_owned(),
        _ if ms < 10.0 => format!("{ms:.1}ms"),
        _ if ms < 1000.0 => format!("{ms:.0}ms"),
        _ if ms < 60_000.0 => format!("{:.1}s", ms / 1000.0),
        _ => format!("{:.1}min", ms / 60_000.0),
    }
}
