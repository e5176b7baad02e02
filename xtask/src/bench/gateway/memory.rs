//! What is looked at once per contender, for it hardly varies: memory with idle clients, and system calls.

use std::path::Path;

use super::super::sample::Course;
use super::super::{idle, syscalls};
use super::summary::{IdleFigures, Summary};

/// One request at a time, and as many as could come together.
const CENSUSES: [usize; 2] = [1, 50];

pub(super) fn look(
    course: &Course<'_>,
    strace: &Path,
    summary: &mut Summary,
    connections: usize,
) -> anyhow::Result<()> {
    let running = summary.contender.start(course.workshop, course.app)?;
    let found = idle::measure(&running, connections, course.workshop.files_max)?;
    summary.idle =
        Some(IdleFigures { connections: found.connections, rss: found.memory.rss, pss: found.memory.pss });
    eprintln!(
        "idle      {:<12} {} connections: {} KB",
        summary.contender.name,
        found.connections,
        found.memory.rss / 1000
    );
    drop(running);
    if summary.samples.iter().all(|sample| sample.proxy_us.is_none()) {
        return Ok(());
    }
    let running = summary.contender.start(course.workshop, course.app)?;
    for connections in CENSUSES {
        summary.syscalls.push(syscalls::count(course.workshop, strace, &running, connections)?);
    }
    Ok(())
}
