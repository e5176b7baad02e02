//! How a line of the log looks to people: `plimsoll logs`, and sinks that are asked for it.

use super::filter::Shown;
use crate::observe::units::Utc;
use crate::sys::output::Target;

/// How a line is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Json,
    Plain,
    Coloured,
}

impl Look {
    /// Coloured on a terminal, unless `NO_COLOR` is set.
    #[must_use]
    pub fn of(target: Target) -> Self {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if target.is_terminal() && !is_unwanted { Self::Coloured } else { Self::Plain }
    }

    /// A line of the answer of a running instance.
    #[must_use]
    pub fn render(self, json: &str) -> String {
        match serde_json::from_str(json) {
            Ok(shown) if self != Self::Json => self.describe(&shown),
            // What a newer instance says is passed on as it is.
            _ => format!("{json}\n"),
        }
    }

    pub(super) fn describe(self, shown: &Shown) -> String {
        match shown {
            Shown::Lost { lost } => {
                self.colour("\x1b[33m", &format!("-- {lost} lines are missing here: they came too fast --"))
                    + "\n"
            }
            Shown::Record { worker, level, at, weight, line, .. } => {
                let worker = worker.map_or_else(|| "-".to_owned(), |worker| worker.to_string());
                let time = self.colour("\x1b[2m", &Utc::of(*at).time_of_day());
                let level = self.colour(colour_of(level), &format!("{level:<5}"));
                let weight = if *weight > 1 { format!(" (x{weight})") } else { String::new() };
                format!("{time} {worker} {level}{weight} {line}\n")
            }
        }
    }

    fn colour(self, colour: &str, text: &str) -> String {
        match self {
            Self::Coloured if !colour.is_empty() => format!("{colour}{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

fn colour_of(level: &str) -> &'static str {
    match level {
        "fatal" | "error" => "\x1b[31m",
        "warn" => "\x1b[33m",
        "debug" | "trace" => "\x1b[2m",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_rendered_for_people_and_for_programs() {
        let json = r#"{"worker":1,"pid":7,"stream":"stdout","level":"warn","at":3723004000000,"shape":"plain","weight":5,"line":"slow"}"#;
        assert_eq!(Look::Plain.render(json), "01:02:03.004 1 warn  (x5) slow\n");
        let coloured = "\x1b[2m01:02:03.004\x1b[0m 1 \x1b[33mwarn \x1b[0m (x5) slow\n";
        assert_eq!(Look::Coloured.render(json), coloured);
        assert_eq!(Look::Json.render(json), format!("{json}\n"));
        assert_eq!(
            Look::Plain.render(r#"{"lost":3}"#),
            "-- 3 lines are missing here: they came too fast --\n"
        );
        assert_eq!(Look::Plain.render(r#"{"new":1}"#), "{\"new\":1}\n");
    }
}
