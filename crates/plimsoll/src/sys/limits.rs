//! The limit of open files: raised for the gateway, and given back to the app.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one. Returns the limit as it was when it was changed, for
/// the children: software that loops over all descriptors it may have, or uses `select`, must not meet our
/// number.
#[must_use]
pub fn raise_open_files() -> Option<Rlimit> {
    let original = getrlimit(Resource::Nofile);
    if original.current == original.maximum {
        return None;
    }
    let raised = Rlimit { current: original.maximum, maximum: original.maximum };
    setrlimit(Resource::Nofile, raised).ok().map(|()| original)
}
