//! What all parts need: the programs, a folder, and an app behind Plimsoll.

use std::path::PathBuf;

use super::Options;
use crate::bench::Common;
use crate::bench::machine;
use crate::bench::peer::{Peer, Programs, Serving, Setup};
use crate::bench::workshop::Workshop;
use crate::process::root;

pub(super) struct Ground {
    pub(super) options: Options,
    pub(super) workshop: Workshop,
    pub(super) programs: Programs,
}

impl Ground {
    pub(super) fn open(options: Options) -> anyhow::Result<Self> {
        let (node, plimsoll) = (options.node.clone(), options.plimsoll.clone());
        let workshop = Workshop::open_in(&node, "conformance")?;
        let programs = Programs::of_plimsoll(&Common { node, plimsoll, rounds: None, quick: false })?;
        Ok(Self { options, workshop, programs })
    }

    /// An app behind Plimsoll; it ends with what is returned.
    pub(super) fn serve(&self, setup: &Setup) -> anyhow::Result<Serving<'_>> {
        Serving::start(Peer::Plimsoll, &self.workshop, &self.programs, setup)
    }

    pub(super) fn versions(&self) -> Vec<(String, String)> {
        vec![
            ("plimsoll".to_owned(), machine::version(&self.programs.plimsoll, "version")),
            ("node".to_owned(), self.workshop.version_of_node()),
        ]
    }
}

/// A file of `conformance/`.
pub(super) fn file(name: &str) -> PathBuf {
    root().join("conformance").join(name)
}
