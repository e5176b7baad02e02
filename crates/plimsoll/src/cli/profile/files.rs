//! The files of a profile.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use inferno::flamegraph;
use serde::Serialize;

use super::take::Problem;
use crate::concerns::event_loop::profile::Profile;
use crate::concerns::event_loop::profile::folded::folded;
use crate::concerns::event_loop::profile::pprof::pprof;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    FlameGraph,
    CpuProfile,
    Pprof,
}

/// A file that was written.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    pub(super) format: &'static str,
    pub(super) path: PathBuf,
}

/// Profiles of one worker in one directory.
const NUMBER_MAX: u32 = 10_000;

impl Format {
    const ALL: [Self; 3] = [Self::FlameGraph, Self::CpuProfile, Self::Pprof];
    pub(super) const NAMES: [&str; 3] = [Self::ALL[0].name(), Self::ALL[1].name(), Self::ALL[2].name()];

    pub(super) fn chosen<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Self> {
        let names: Vec<&String> = names.collect();
        Self::ALL.into_iter().filter(|format| names.iter().any(|name| *name == format.name())).collect()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::FlameGraph => "flamegraph",
            Self::CpuProfile => "cpuprofile",
            Self::Pprof => "pprof",
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::FlameGraph => "svg",
            Self::CpuProfile => "cpuprofile",
            Self::Pprof => "pb.gz",
        }
    }
}

/// Writes the files that were asked for, all with the same new name.
///
/// # Errors
/// One could not be written.
pub(super) fn write(
    directory: &Path,
    stem: &str,
    formats: &[Format],
    bytes: &[u8],
    profile: &Profile,
) -> Result<Vec<Written>, Problem> {
    let stem = free_stem(directory, stem);
    let mut written = Vec::new();
    for &format in formats {
        let path = directory.join(format!("{stem}.{}", format.ending()));
        let content = match format {
            Format::FlameGraph => flame_graph(profile, &stem),
            Format::CpuProfile => Ok(bytes.to_vec()),
            Format::Pprof => compress(&pprof(profile)),
        };
        let content = content.and_then(|content| create(&path)?.write_all(&content));
        content.map_err(|source| Problem::file("written", &path, source))?;
        written.push(Written { format: format.name(), path });
    }
    Ok(written)
}

/// What a profile tells of an app is for its owner alone.
pub(in crate::cli) fn create(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// `shop-w0`, or `shop-w0-2` and so on where there is a file of that name.
fn free_stem(directory: &Path, stem: &str) -> String {
    let is_free = |stem: &String| {
        Format::ALL.iter().all(|format| !directory.join(format!("{stem}.{}", format.ending())).exists())
    };
    let numbered = (2..NUMBER_MAX).map(|number| format!("{stem}-{number}"));
    std::iter::once(stem.to_owned()).chain(numbered).find(is_free).unwrap_or_else(|| stem.to_owned())
}

fn flame_graph(profile: &Profile, title: &str) -> io::Result<Vec<u8>> {
    let (stacks, left_out) = folded(profile);
    let mut options = flamegraph::Options::default();
    options.title = title.to_owned();
    options.subtitle = (left_out > 0).then(|| format!("without {left_out} stacks of little time"));
    options.count_name = "µs".to_owned();
    let mut svg = Vec::new();
    if stacks.is_empty() {
        // The crate takes no stack for an error; a loop that did nothing is none.
        return Ok(
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><text y=\"20\">the event loop was idle</text></svg>"
                .to_vec(),
        );
    }
    flamegraph::from_lines(&mut options, stacks.iter().map(String::as_str), &mut svg)?;
    Ok(svg)
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}
