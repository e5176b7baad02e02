//! Source maps, version 3: from the place in what runs to the place in what was written.
//!
//! Only what is needed to name a line: no names, no index maps. The file comes from the app; whatever in it makes no
//! sense ends the reading, and what was read before is used.

use serde::Deserialize;

/// Segments of one map. A bundle of 10 MB has about 2 million.
const SEGMENTS_MAX: usize = 4_000_000;

#[derive(Debug, Deserialize)]
struct File {
    version: u32,
    #[serde(rename = "sourceRoot")]
    root: Option<String>,
    sources: Vec<Option<String>>,
    #[serde(rename = "sourcesContent", default)]
    contents: Vec<Option<String>>,
    mappings: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    line: u32,
    column: u32,
    source: u32,
    source_line: u32,
}

#[derive(Debug)]
pub struct SourceMap {
    root: String,
    sources: Vec<Option<String>>,
    contents: Vec<Option<String>>,
    /// In the order of what runs.
    segments: Vec<Segment>,
}

/// A place in what was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Original<'a> {
    pub source: String,
    /// From 1.
    pub line: u32,
    /// The text of the source, where the map has it.
    pub text: Option<&'a str>,
}

impl SourceMap {
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        // Some servers put this before JSON.
        let json = json.strip_prefix(b")]}'").unwrap_or(json);
        let file: File = serde_json::from_slice(json).ok().filter(|file: &File| file.version == 3)?;
        let segments = segments(&file.mappings);
        Some(Self {
            root: file.root.unwrap_or_default(),
            sources: file.sources,
            contents: file.contents,
            segments,
        })
    }

    /// `line` and `column` from 1, as V8 tells them.
    #[must_use]
    pub fn original(&self, line: u32, column: u32) -> Option<Original<'_>> {
        let place = (line.checked_sub(1)?, column.saturating_sub(1));
        let after = self.segments.partition_point(|segment| (segment.line, segment.column) <= place);
        let segment = after.checked_sub(1).and_then(|at| self.segments.get(at))?;
        if segment.line != place.0 {
            return None;
        }
        let at = segment.source as usize;
        let source = self.sources.get(at)?.as_ref()?;
        let separator = if self.root.is_empty() || self.root.ends_with('/') { "" } else { "/" };
        let text = self.contents.get(at).and_then(Option::as_deref);
        Some(Original {
            source: format!("{}{separator}{source}", self.root),
            line: segment.source_line + 1,
            text,
        })
    }
}

/// Decodes the mappings: lines are parted by `;`, segments by `,`, and each number is relative to the one before.
fn segments(mappings: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let (mut source, mut source_line) = (0_i64, 0_i64);
    for (line, text) in (0..).zip(mappings.split(';')) {
        let mut column = 0;
        for segment in text.split(',').filter(|segment| !segment.is_empty()) {
            let Some(numbers) = numbers(segment) else { return segments };
            column += numbers[0];
            source += numbers[1];
            source_line += numbers[2];
            let place = (u32::try_from(column), u32::try_from(source), u32::try_from(source_line));
            let (Ok(column), Ok(source), Ok(source_line)) = place else { return segments };
            if segments.len() >= SEGMENTS_MAX {
                return segments;
            }
            segments.push(Segment { line, column, source, source_line });
        }
    }
    segments
}

/// The first three numbers of a segment; those of a segment without source are 0.
fn numbers(segment: &str) -> Option<[i64; 3]> {
    let mut numbers = [0_i64; 3];
    let mut count = 0;
    let (mut value, mut shift) = (0_i64, 0_u32);
    for byte in segment.bytes() {
        let digit = i64::from(digit(byte)?);
        if shift > 30 {
            return None;
        }
        value |= (digit & 31) << shift;
        shift += 5;
        if digit & 32 == 0 {
            if let Some(number) = numbers.get_mut(count) {
                *number = if value & 1 == 1 { -(value >> 1) } else { value >> 1 };
            }
            count += 1;
            (value, shift) = (0, 0);
        }
    }
    Some(numbers)
}

fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Where the map of a script is: what its last lines say after `sourceMappingURL=`.
#[must_use]
pub fn reference(script: &str) -> Option<&str> {
    let tail = script.trim_end().rsplit('\n').take(5);
    tail.filter_map(|line| line.rsplit_once("sourceMappingURL="))
        .map(|(_, url)| url.trim().trim_end_matches("*/"))
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_what_was_written() {
        // Line 1: column 0 is a.ts:1, column 4 is a.ts:3; line 3: column 0 is b.ts:2.
        let json = br#"{"version":3,"sourceRoot":"src","sources":["a.ts","b.ts"],"names":[],
            "sourcesContent":["one\ntwo\nthree",null],"mappings":"AAAA,IAEA;;ACDA"}"#;
        let map = SourceMap::read(json).unwrap();
        let found = |line, column| map.original(line, column).map(|one| (one.source, one.line));
        assert_eq!(found(1, 1), Some(("src/a.ts".into(), 1)));
        assert_eq!(found(1, 4), Some(("src/a.ts".into(), 1)));
        assert_eq!(found(1, 5), Some(("src/a.ts".into(), 3)));
        assert_eq!(found(1, 900), Some(("src/a.ts".into(), 3)));
        assert_eq!(found(2, 1), None);
        assert_eq!(found(3, 1), Some(("src/b.ts".into(), 2)));
        assert_eq!(found(0, 0), None);
        assert_eq!(map.original(1, 1).unwrap().text, Some("one\ntwo\nthree"));
    }

    #[test]
    fn what_makes_no_sense_is_no_map() {
        for json in ["", "{}", "[]", r#"{"version":2,"sources":[],"mappings":""}"#] {
            assert!(SourceMap::read(json.as_bytes()).is_none(), "{json}");
        }
        for mappings in ["!", "gggggggggggggggg", "DAAA", "AAAA,ADDD"] {
            let json = format!(r#"{{"version":3,"sources":["a"],"mappings":"{mappings}"}}"#);
            let map = SourceMap::read(json.as_bytes()).unwrap();
            assert!(map.segments.len() <= 1, "{mappings}");
        }
    }

    #[test]
    fn the_reference_stands_at_the_end() {
        assert_eq!(reference("x\n//# sourceMappingURL=a.js.map\n"), Some("a.js.map"));
        assert_eq!(reference("x\n/*# sourceMappingURL=a.css.map*/"), Some("a.css.map"));
        assert_eq!(reference("sourceMappingURL=early\n1\n2\n3\n4\n5\n6"), None);
    }
}
