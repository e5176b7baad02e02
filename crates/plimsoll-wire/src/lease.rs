//! What a holder and its lender say of a part of a budget: see the crate plimsoll, `lease`. Which budget is meant is
//! said before it, by the message that carries it.

use crate::message::Fields;

/// What a holder wants, and has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Of the last grant that it has seen; 0: none.
    pub serial: u32,
    /// What it could use now.
    pub wants: u32,
    /// The most that it is using, or will use without a further grant.
    pub held: u32,
    /// When it was said, by the clock of the holder, whose lease runs from then.
    pub stamp: u64,
}

/// What it may have from now on, until `length_ms` after `stamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    pub serial: u32,
    pub amount: u32,
    pub stamp: u64,
    pub length_ms: u32,
}

impl Ask {
    /// The four fields from `first` on.
    pub(crate) fn read(field: &Fields<'_>, first: usize) -> Option<Self> {
        Some(Self {
            serial: field.number(first)?,
            wants: field.number(first + 1)?,
            held: field.number(first + 2)?,
            stamp: field.number(first + 3)?,
        })
    }

    pub(crate) fn words(&self) -> [String; 4] {
        [u64::from(self.serial), self.wants.into(), self.held.into(), self.stamp]
            .map(|number| number.to_string())
    }
}

impl Grant {
    pub(crate) fn read(field: &Fields<'_>, first: usize) -> Option<Self> {
        Some(Self {
            serial: field.number(first)?,
            amount: field.number(first + 1)?,
            stamp: field.number(first + 2)?,
            length_ms: field.number(first + 3)?,
        })
    }

    pub(crate) fn words(&self) -> [String; 4] {
        [u64::from(self.serial), self.amount.into(), self.stamp, self.length_ms.into()]
            .map(|number| number.to_string())
    }
}
