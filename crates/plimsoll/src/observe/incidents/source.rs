//! What stands in the app's files at a place of a stack.
//!
//! A worker names the files, and may name any: only regular ones of bounded size are read, which it could read itself,
//! and all that is looked for in them is calls that block.
//!
//! Files are kept, and looked at each time: a deploy may write others in their place, and a reload runs those.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::concerns::event_loop::incident::source_map::{SourceMap, reference};
use crate::concerns::event_loop::profile::place;

/// Larger files are left alone.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
const MAP_BYTES_MAX: u64 = 24 * 1024 * 1024;
/// Scripts that are kept in memory.
const SCRIPTS_MAX: usize = 8;
/// Lines before the place in which a call may stand that has just returned.
const LINES_BEFORE: usize = 12;
const LINE_BYTES_MAX: usize = 2000;

/// A place as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) script: String,
    pub(super) line: u32,
    /// Lines of what runs, up to that of the place; empty where it cannot be read.
    pub(super) lines: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Sources {
    /// The one used last is the last.
    scripts: VecDeque<Script>,
}

#[derive(Debug)]
struct Script {
    name: String,
    text: String,
    map: Option<SourceMap>,
    /// What both were read from: the script, and its map where that is a file of its own.
    files: Vec<(PathBuf, Option<Stamp>)>,
}

/// By what a file is known to be the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    length: u64,
    inode: u64,
}

impl Sources {
    pub(super) fn find(&mut self, script: &str, line: u32, column: u32) -> Source {
        let as_it_runs = |lines| Source { script: script.to_owned(), line, lines };
        if script.is_empty() || script.starts_with("node:") {
            return as_it_runs(Vec::new());
        }
        let script = self.script(script);
        let lines = window(&script.text, line);
        let Some(original) = script.map.as_ref().and_then(|map| map.original(line, column)) else {
            return as_it_runs(lines);
        };
        let lines = original.text.map_or(lines, |text| window(text, original.line));
        Source { script: resolve(&script.name, &original.source), line: original.line, lines }
    }

    /// The text of the line, for the column that V8 told.
    pub(super) fn line(&mut self, script: &str, line: u32) -> String {
        let text = &self.script(script).text;
        text.lines()
            .nth((line as usize).saturating_sub(1))
            .unwrap_or_default()
            .chars()
            .take(LINE_BYTES_MAX)
            .collect()
    }

    fn script(&mut self, name: &str) -> &Script {
        let known = self.scripts.iter().position(|script| script.name == name);
        let known = known.and_then(|at| self.scripts.remove(at)).filter(Script::is_as_it_was);
        let script = known.unwrap_or_else(|| Script::load(name));
        if self.scripts.len() >= SCRIPTS_MAX {
            self.scripts.pop_front();
        }
        self.scripts.push_back(script);
        let last = self.scripts.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "it was put there just now")]
        &self.scripts[last]
    }
}

impl Script {
    /// The stamps are taken first: what is written meanwhile is read again.
    fn load(name: &str) -> Self {
        let path = PathBuf::from(place::path(name));
        let mut files = vec![(path.clone(), stamp(&path))];
        let text = read(&path, FILE_BYTES_MAX).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = text.unwrap_or_default();
        let url = reference(&text);
        if let Some(map) = url.and_then(|url| map_file(&path, url)) {
            files.push((map.clone(), stamp(&map)));
        }
        let map = url.and_then(|url| SourceMap::read(&map_bytes(&path, url)?));
        Self { name: name.to_owned(), text, map, files }
    }

    fn is_as_it_was(&self) -> bool {
        self.files.iter().all(|(path, before)| stamp(path) == *before)
    }
}

/// `None`: it cannot be read.
fn stamp(path: &Path) -> Option<Stamp> {
    let about = about(path)?;
    Some(Stamp { modified: (about.mtime(), about.mtime_nsec()), length: about.len(), inode: about.ino() })
}

fn map_bytes(script: &Path, url: &str) -> Option<Vec<u8>> {
    if let Some(data) = url.strip_prefix("data:") {
        let (_, encoded) = data.split_once(";base64,")?;
        return base64(encoded);
    }
    read(&map_file(script, url)?, MAP_BYTES_MAX)
}

/// The file of a map that stands in none of its script.
fn map_file(script: &Path, url: &str) -> Option<PathBuf> {
    if url.starts_with("data:") || url.contains("://") {
        return None;
    }
    Some(script.parent()?.join(place::path(&format!("file://{url}"))))
}

/// Of a regular file: what never ends, or waits, is none.
fn about(path: &Path) -> Option<Metadata> {
    let about = std::fs::metadata(path).ok()?;
    (path.is_absolute() && about.is_file()).then_some(about)
}

fn read(path: &Path, bytes_max: u64) -> Option<Vec<u8>> {
    if about(path)?.len() > bytes_max {
        return None;
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(bytes_max).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn window(text: &str, line: u32) -> Vec<String> {
    let line = line as usize;
    let lines = text.lines().take(line).skip(line.saturating_sub(LINES_BEFORE));
    lines.map(|line| line.chars().take(LINE_BYTES_MAX).collect()).collect()
}

/// The path of a source that a map names relative to its script.
fn resolve(script: &str, source: &str) -> String {
    // webpack://shop/./src/report.ts
    let source = match source.split_once("://") {
        Some(("file", path)) => return path.to_owned(),
        Some((_, rest)) => {
            return rest.split_once('/').map_or(rest, |(_, path)| path).trim_start_matches("./").to_owned();
        }
        None => source,
    };
    let script = PathBuf::from(place::path(script));
    let mut path = script.parent().map(Path::to_path_buf).unwrap_or_default();
    for part in Path::new(source).components() {
        match part {
            Component::RootDir => path = PathBuf::from("/"),
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    path.display().to_string()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    if text.len() as u64 > MAP_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.bytes().take_while(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_with_a_map_is_told_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("dist/app.js");
        std::fs::create_dir(folder.path().join("dist")).unwrap();
        let map = r#"{"version":3,"sources":["../src/app.ts"],"sourcesContent":["a\nb()\nc"],"mappings":"AAAA;AACA"}"#;
        std::fs::write(folder.path().join("dist/app.js.map"), map).unwrap();
        std::fs::write(&script, "x\ny\n//# sourceMappingURL=app.js.map").unwrap();
        let name = script.to_str().unwrap();
        let source = Sources::default().find(name, 2, 1);
        assert_eq!(source.script, folder.path().join("src/app.ts").to_str().unwrap());
        assert_eq!((source.line, source.lines), (2, vec!["a".to_owned(), "b()".to_owned()]));
        // The same, inline and by URL.
        let encoded =
            "eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbIi4uL3NyYy9hcHAudHMiXSwibWFwcGluZ3MiOiJBQUFBO0FBQ0EifQ==";
        let inline = format!("x\ny\n//# sourceMappingURL=data:application/json;base64,{encoded}");
        std::fs::write(&script, inline).unwrap();
        let source = Sources::default().find(&format!("file://{name}"), 2, 1);
        assert_eq!((source.line, source.script.ends_with("/src/app.ts")), (2, true), "{source:?}");
    }

    #[test]
    fn what_a_deploy_has_changed_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (script, map) = (folder.path().join("app.js"), folder.path().join("app.js.map"));
        let write = |path: &Path, text: &str| {
            // As most tools do it: another file is put in its place.
            let fresh = folder.path().join("fresh");
            std::fs::write(&fresh, text).unwrap();
            std::fs::rename(&fresh, path).unwrap();
        };
        let of = |source: &str, lines: &str| {
            let (head, mappings) = (r#"{"version":3,"sources":["#, r#""mappings":"AAAA;AACA"}"#);
            format!(r#"{head}"{source}"],"sourcesContent":["{lines}"],{mappings}"#)
        };
        let mut sources = Sources::default();
        let mut found = || {
            let found = sources.find(script.to_str().unwrap(), 2, 1);
            let name = found.script.rsplit('/').next().unwrap_or_default().to_owned();
            (name, found.lines.last().cloned().unwrap_or_default())
        };
        let told = |name: &str, line: &str| (name.to_owned(), line.to_owned());
        assert_eq!(found(), told("app.js", ""), "it is not there yet");
        write(&script, "x\nold()");
        assert_eq!(found(), told("app.js", "old()"));
        write(&script, "x\nnew()");
        assert_eq!(found(), told("app.js", "new()"), "as long as before");
        std::fs::write(&script, "x\nnewer()\n//# sourceMappingURL=app.js.map").unwrap();
        assert_eq!(found(), told("app.js", "newer()"), "written in its place; there is no map yet");
        write(&map, &of("a.ts", r"a\nb()"));
        assert_eq!(found(), told("a.ts", "b()"));
        write(&map, &of("c.ts", r"c\nd()"));
        assert_eq!(found(), told("c.ts", "d()"), "only the map is another one");
        std::fs::remove_file(&script).unwrap();
        assert_eq!(found(), told("app.js", ""));
    }

    #[test]
    fn what_is_the_same_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.js");
        std::fs::write(&path, "x\ny").unwrap();
        let (mut sources, name) = (Sources::default(), path.to_str().unwrap());
        sources.find(name, 1, 1);
        sources.scripts[0].text.push_str("\nkept");
        assert_eq!(sources.find(name, 3, 1).lines.last().map(String::as_str), Some("kept"));
        assert_eq!(sources.scripts.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_told_as_it_runs() {
        for script in ["", "node:fs", "/dev/zero", "/no/such/file.js", "relative.js", "wasm://x"] {
            let source = Sources::default().find(script, 7, 1);
            assert_eq!(source, Source { script: script.to_owned(), line: 7, lines: Vec::new() }, "{script}");
        }
    }

    #[test]
    fn names_of_bundlers_lose_what_is_not_a_path() {
        assert_eq!(resolve("/app/dist/a.js", "webpack://shop/./src/report.ts"), "src/report.ts");
        assert_eq!(resolve("/app/dist/a.js", "../src/a.ts"), "/app/src/a.ts");
        assert_eq!(resolve("/app/dist/a.js", "file:///app/src/a.ts"), "/app/src/a.ts");
    }
}
