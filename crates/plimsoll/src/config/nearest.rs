//! The known name that was probably meant.

/// Below this likeness a guess misleads more than it helps: half of the letters are others.
const LIKENESS_MIN: f64 = 0.5;

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
            .map(|candidate| (likeness(name, candidate, separator), candidate))
            .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, candidate)| candidate)
    })
}

/// The least like part decides: a table that is spelt right says nothing about the key in it.
fn likeness(a: &str, b: &str, separator: char) -> f64 {
    if a.matches(separator).count() != b.matches(separator).count() {
        return 0.0;
    }
    let parts = a.split(separator).zip(b.split(separator));
    parts.map(|(a, b)| strsim::normalized_damerau_levenshtein(a, b)).fold(1.0, f64::min)
}
