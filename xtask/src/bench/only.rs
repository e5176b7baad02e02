//! `--only`: some parts of a bench, or some of those who take part.

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(super) struct Only<P: ValueEnum + Send + Sync + 'static> {
    /// Only these; what is found is not kept.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<P>,
}

impl<P: ValueEnum + PartialEq + Send + Sync + 'static> Only<P> {
    pub(super) fn wants(&self, part: P) -> bool {
        self.is_all() || self.only.contains(&part)
    }

    pub(super) fn is_all(&self) -> bool {
        self.only.is_empty()
    }
}
