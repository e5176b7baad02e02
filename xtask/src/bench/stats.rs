//! The figures of several rounds in few numbers.

/// The least of the rounds: what disturbs a measurement on a shared machine only ever adds to it.
pub(crate) fn min(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

pub(crate) fn max(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}

pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len().checked_sub(1)?) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// How far the true median may be from that of these values, either way, in 19 of 20 cases: from the middle half, so that a few
/// that were disturbed do not count.
#[expect(clippy::cast_precision_loss, reason = "a few thousand values")]
pub(crate) fn uncertainty(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quarter = sorted.len() / 4;
    let upper = sorted.get(sorted.len().checked_sub(1 + quarter)?)?;
    let lower = sorted.get(quarter)?;
    Some(1.57 * (upper - lower) / (sorted.len() as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_count_has_its_median_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn what_was_disturbed_does_not_make_a_median_uncertain() {
        let values: Vec<f64> =
            (0..100).map(|number| if number % 10 == 0 { 1e9 } else { f64::from(number % 3) }).collect();
        assert!(uncertainty(&values).is_some_and(|found| found < 0.4), "{:?}", uncertainty(&values));
        assert_eq!((uncertainty(&[]), uncertainty(&[2.0])), (None, Some(0.0)));
    }

    #[test]
    fn nothing_has_no_least() {
        assert_eq!(min(&[]), None);
        assert_eq!(min(&[2.0, 1.0]), Some(1.0));
    }
}
