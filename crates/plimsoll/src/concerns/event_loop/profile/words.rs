//! A report in the user's words.

use std::fmt::Write as _;

use super::hot::{Culprit, Hot, Report};
use super::place::Place;

/// Whom to name first, and how long the table is.
const FIX_FIRST: usize = 2;
const ROWS: usize = 15;
/// Less is not worth anyone's time (per mille of the busy time).
const WORTH_FIXING: u64 = 20;
const WORTH_A_ROW: u64 = 2;
const NAME_WIDTH: usize = 40;

impl Report {
    /// For the terminal.
    #[must_use]
    pub fn render(&self) -> String {
        self.head() + &self.body()
    }

    /// For the terminal, of a stretch in which the loop stood still.
    #[must_use]
    pub fn render_stall(&self) -> String {
        let (milliseconds, samples) = (self.duration_us / 1000, self.samples);
        format!("the event loop stood still for {milliseconds} ms ({samples} samples); this is what it did\n")
            + &self.body()
    }

    fn body(&self) -> String {
        let mut text = String::new();
        let worth = |time_us| per_mille(time_us, self.busy_us);
        let culprits: Vec<&Culprit> =
            self.culprits.iter().filter(|one| worth(one.time_us) >= WORTH_FIXING).take(FIX_FIRST).collect();
        if !culprits.is_empty() {
            text.push_str("\nfix first\n");
        }
        for (at, culprit) in culprits.iter().enumerate() {
            let _ = writeln!(text, "  {}. {}", at + 1, self.sentence(culprit));
        }
        let rows: Vec<&Hot> =
            self.functions.iter().filter(|hot| worth(hot.self_us) >= WORTH_A_ROW).take(ROWS).collect();
        if !rows.is_empty() {
            text.push_str("\n   SELF   TOTAL  FUNCTION\n");
        }
        for hot in rows {
            let (own, total) = (percent(hot.self_us, self.busy_us), percent(hot.total_us, self.busy_us));
            let name = short(&hot.name);
            let _ = writeln!(text, " {own:>6}  {total:>6}  {name} ({})", hot.place.describe(hot.line));
        }
        text
    }

    fn head(&self) -> String {
        let share = |time_us| percent(time_us, self.duration_us);
        let mut text = format!(
            "{} in {} samples: the event loop was busy for {} of the time and idle for {}\n",
            seconds(self.duration_us),
            self.samples,
            share(self.busy_us),
            share(self.idle_us)
        );
        let _ = writeln!(
            text,
            "of the busy time, {} was garbage collection and {} native code outside of any function",
            percent(self.gc_us, self.busy_us),
            percent(self.program_us, self.busy_us)
        );
        if per_mille(self.logging_us, self.busy_us) >= WORTH_FIXING {
            let _ = writeln!(text, "{} of it was logging", percent(self.logging_us, self.busy_us));
        }
        if per_mille(self.busy_us, self.duration_us) < 100 {
            text.push_str("the loop was hardly used: a profile says more while there is load\n");
        }
        text
    }

    /// `formatRows (src/report.js:88) takes 31.0% of the event loop's busy time, most of it in line 94`.
    #[must_use]
    pub fn sentence(&self, culprit: &Culprit) -> String {
        let share = percent(culprit.time_us, self.busy_us);
        let takes = format!("takes {share} of the event loop's busy time");
        let mut text = match &culprit.place {
            Place::Package { package, .. } => format!("the package {package} {takes}"),
            place => format!("{} ({}) {takes}", short(&culprit.name), place.describe(culprit.line)),
        };
        if let Some(line) = culprit.hottest_line {
            let _ = write!(text, ", most of it in line {line}");
        }
        if let Some(inner) = &culprit.mostly {
            let _ = write!(text, ", most of it in {}", short(inner));
        }
        if let Some(caller) = &culprit.called_by {
            let _ = write!(text, ", called from {caller}");
        }
        text
    }
}

fn short(name: &str) -> String {
    if name.chars().count() <= NAME_WIDTH {
        return name.to_owned();
    }
    let start: String = name.chars().take(NAME_WIDTH - 1).collect();
    format!("{start}…")
}

fn per_mille(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1000).checked_div(whole).unwrap_or(0)
}

fn percent(part: u64, whole: u64) -> String {
    let tenths = per_mille(part, whole);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

fn seconds(time_us: u64) -> String {
    format!("{}.{} s", time_us / 1_000_000, time_us % 1_000_000 / 100_000)
}
