//! Heaps that grow and grow.

use std::fmt::Write as _;

use crate::observe::status::Leak;
use crate::observe::units;

/// `--json` has all of them.
const SHOWN: usize = 5;

pub(super) fn render(leaks: &[Leak]) -> String {
    let mut text = String::new();
    if !leaks.is_empty() {
        text.push_str("\nheaps that grow\n");
    }
    for leak in leaks.iter().take(SHOWN) {
        let _ = writeln!(text, "  {} ago: worker {}: {}", units::age(leak.age_s), leak.worker, leak.text);
        let _ = writeln!(text, "      hint: {}", leak.hint);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_shown_with_what_finds_it() {
        let leak = Leak {
            worker: 2,
            age_s: 90,
            from_bytes: 1,
            to_bytes: 2,
            over_s: 270,
            requests: 7,
            suspects: Vec::new(),
            text: "its heap grows".into(),
            hint: "compare two snapshots".into(),
        };
        assert_eq!(
            render(&[leak]),
            "\nheaps that grow\n  1m 30s ago: worker 2: its heap grows\n      hint: compare two snapshots\n"
        );
        assert_eq!(render(&[]), "");
    }
}
