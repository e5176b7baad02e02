//! Ids are types, so that one cannot be taken for another.

use std::fmt;

/// One incarnation of one worker: `index` is the 0-based place (`PLIMSOLL_WORKER`), `incarnation` counts the
/// processes that have stood in that place. A replaced worker is another `WorkerId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId {
    pub index: u16,
    pub incarnation: u32,
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.index)
    }
}

/// One public address of the app, served by any number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub u32);

/// One route of the app, as the table of [`routes`](crate::routes) numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u16);

impl RouteId {
    /// Whatever has no row of its own.
    pub const OTHER: Self = Self(0);
}
