//! Slices of one process, made in pairs one after the other, one without what is looked for and one with it: two processes of the
//! same program differ by more.

use serde::{Deserialize, Serialize};

use super::stats::{median, uncertainty};

/// What was found without and with it, pair by pair.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    /// One more pair. Forwards and backwards in turn: whatever drifts meets both alike. `slice` is told whether it is one without.
    pub(super) fn take(&mut self, mut slice: impl FnMut(bool) -> anyhow::Result<f64>) -> anyhow::Result<()> {
        let is_forwards = self.0.len().is_multiple_of(2);
        let first = slice(is_forwards)?;
        let second = slice(!is_forwards)?;
        self.0.push(if is_forwards { (first, second) } else { (second, first) });
        Ok(())
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    fn differences(&self) -> Vec<f64> {
        self.0.iter().map(|(without, with)| with - without).collect()
    }

    pub(super) fn without(&self) -> Option<f64> {
        median(&self.0.iter().map(|(without, _)| *without).collect::<Vec<_>>())
    }

    pub(super) fn with(&self) -> Option<f64> {
        median(&self.0.iter().map(|(_, with)| *with).collect::<Vec<_>>())
    }

    /// The median of the differences.
    pub(super) fn added(&self) -> Option<f64> {
        median(&self.differences())
    }

    /// How sure that is: see [`uncertainty`].
    pub(super) fn sure_to(&self) -> Option<f64> {
        uncertainty(&self.differences())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_taken_forwards_and_backwards_and_compared_one_by_one() {
        let mut pairs = Pairs::default();
        let mut asked = Vec::new();
        // What drifts by one from slice to slice; with it a slice takes ten more.
        for _ in 0..4 {
            let slice = |is_without| {
                asked.push(is_without);
                let drift = f64::from(u8::try_from(asked.len())?);
                Ok(if is_without { drift } else { drift + 10.0 })
            };
            assert!(pairs.take(slice).is_ok());
        }
        assert_eq!(asked, [true, false, false, true, true, false, false, true]);
        assert_eq!(pairs, Pairs(vec![(1.0, 12.0), (4.0, 13.0), (5.0, 16.0), (8.0, 17.0)]));
        assert_eq!((pairs.added(), pairs.without(), pairs.with()), (Some(10.0), Some(4.5), Some(14.5)));
    }

    #[test]
    fn a_slice_that_failed_leaves_nothing() {
        let mut pairs = Pairs::default();
        assert!(pairs.take(|_| anyhow::bail!("it is gone")).is_err());
        assert_eq!(pairs, Pairs::default());
    }
}
