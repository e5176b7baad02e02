//! The figures by which a scenario is judged, with those of all contenders: what becomes of them in the report.

use serde::{Deserialize, Serialize};

use super::table::{Table, figure};

/// As good as the best, for whoever has to choose.
const CLOSE: f64 = 1.05;
const OURS: &str = "Plimsoll";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Lower,
    Higher,
}

/// What was to be reached, of the contender that is ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Goal {
    pub(crate) text: String,
    pub(crate) limit: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Headline {
    pub(crate) what: String,
    pub(crate) unit: String,
    pub(crate) better: Better,
    pub(crate) goal: Option<Goal>,
    /// By contender; `None` where it could not serve at all.
    pub(crate) values: Vec<(String, Option<f64>)>,
}

impl Headline {
    pub(crate) fn ours(&self) -> Option<f64> {
        self.variant().and_then(|(_, value)| *value)
    }

    /// The last of ours: what is switched on comes behind what is as it comes.
    fn variant(&self) -> Option<&(String, Option<f64>)> {
        self.values.iter().rev().find(|(name, _)| name.starts_with(OURS))
    }

    /// Ours as it comes, and what is switched on beside it.
    pub(crate) fn told(&self) -> String {
        let ours = self
            .values
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(OURS)?, self.shown(*value))));
        let told = ours.map(|(switched, value)| match switched.strip_prefix(", ") {
            Some(switched) => format!("{value} ({switched})"),
            None => value,
        });
        told.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn best(&self) -> Option<(&str, f64)> {
        self.best_of(|_| true)
    }

    pub(crate) fn best_of_others(&self) -> Option<(&str, f64)> {
        self.best_of(|name| !name.starts_with(OURS))
    }

    fn best_of(&self, is_asked: impl Fn(&str) -> bool) -> Option<(&str, f64)> {
        let measured = self.values.iter().filter_map(|(name, value)| Some((name.as_str(), (*value)?)));
        measured.filter(|(name, _)| is_asked(name)).min_by(|(_, one), (_, other)| match self.better {
            Better::Lower => one.total_cmp(other),
            Better::Higher => other.total_cmp(one),
        })
    }

    pub(crate) fn verdict(&self) -> String {
        let switched = self.variant().and_then(|(name, _)| name.strip_prefix(OURS)?.strip_prefix(", "));
        let on = switched.map_or_else(String::new, |switched| format!(" ({switched})"));
        format!("{}{on}", self.rank())
    }

    fn rank(&self) -> String {
        let (Some(ours), Some((name, best))) = (self.ours(), self.best()) else {
            return "not measured".to_owned();
        };
        let is_close = |one: f64, other: f64| match self.better {
            Better::Lower => one <= other * CLOSE,
            Better::Higher => one * CLOSE >= other,
        };
        let is_shared = self.best_of_others().is_some_and(|(_, theirs)| is_close(theirs, ours));
        let rank = match (is_close(ours, best), name.starts_with(OURS)) {
            (_, true) if is_shared => "as good as the best".to_owned(),
            (_, true) => "best".to_owned(),
            _ if ours.total_cmp(&best).is_eq() => "as good as the best".to_owned(),
            (true, false) => "within 5 % of the best".to_owned(),
            (false, false) => format!("behind {name}"),
        };
        let Some(goal) = &self.goal else { return rank };
        let is_reached = match self.better {
            Better::Lower => ours <= goal.limit,
            Better::Higher => ours >= goal.limit,
        };
        format!("{rank}; {}: {}", goal.text, if is_reached { "reached" } else { "**missed**" })
    }

    pub(crate) fn shown(&self, value: Option<f64>) -> String {
        let digits = match value {
            Some(value) if value == value.trunc() || value.abs() >= 1000.0 => 0,
            Some(value) if value.abs() >= 10.0 => 1,
            _ => 2,
        };
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        figure(value, &unit, digits)
    }
}

/// One row for each figure, one column for each contender of any of them.
pub(crate) fn headlines(headlines: &[Headline]) -> Table {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in headlines.iter().flat_map(|one| &one.values) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut table = Table::new(&[&["figure"], names.as_slice(), &["Plimsoll is"]].concat());
    for one in headlines {
        let mut row = vec![one.what.clone()];
        row.extend(names.iter().map(|name| {
            let value = one.values.iter().find(|(of, _)| of == name);
            value.map_or(String::new(), |(_, value)| one.shown(*value))
        }));
        row.push(one.verdict());
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headline(better: Better, theirs: f64, ours: f64, goal: Option<f64>) -> Headline {
        Headline {
            what: "p99".to_owned(),
            unit: "ms".to_owned(),
            better,
            goal: goal.map(|limit| Goal { text: "goal".to_owned(), limit }),
            values: vec![
                ("PM2".to_owned(), None),
                ("node".to_owned(), Some(theirs)),
                ("Plimsoll".to_owned(), Some(ours)),
            ],
        }
    }

    #[test]
    fn a_loss_is_told_like_a_win() {
        for (headline, verdict) in [
            (headline(Better::Lower, 10.0, 5.0, None), "best"),
            (headline(Better::Lower, 10.0, 9.6, None), "as good as the best"),
            (headline(Better::Higher, 10.0, 10.5, None), "as good as the best"),
            (headline(Better::Lower, 10.0, 10.4, None), "within 5 % of the best"),
            (headline(Better::Lower, 10.0, 10.0, None), "as good as the best"),
            (headline(Better::Lower, 10.0, 12.0, Some(15.0)), "behind node; goal: reached"),
            (headline(Better::Lower, 10.0, 9.0, Some(8.0)), "best; goal: **missed**"),
            (headline(Better::Higher, 10.0, 9.0, None), "behind node"),
            (headline(Better::Higher, 10.0, 9.6, Some(9.0)), "within 5 % of the best; goal: reached"),
        ] {
            assert_eq!(headline.verdict(), verdict);
        }
    }

    #[test]
    fn what_is_switched_on_is_told() {
        let mut one = headline(Better::Lower, 10.0, 12.0, None);
        one.values.push(("Plimsoll, enforced".to_owned(), Some(5.0)));
        assert_eq!((one.ours(), one.verdict()), (Some(5.0), "best (enforced)".to_owned()));
        assert_eq!(
            (one.told(), one.best_of_others()),
            ("12 ms, 5 ms (enforced)".to_owned(), Some(("node", 10.0)))
        );
    }

    #[test]
    fn who_was_not_measured_is_not_the_best() {
        let mut one = headline(Better::Lower, 10.0, 5.0, None);
        one.values.retain(|(name, _)| name == "PM2");
        assert_eq!((one.best(), one.verdict()), (None, "not measured".to_owned()));
    }
}
