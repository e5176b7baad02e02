//! What a framework calls a route: `/users/:id`, `/users/{id}`, `/files/*`.

use super::segment;

/// No framework's template that anybody wrote is longer.
pub(super) const TEMPLATE_MAX: usize = 512;
const NAME_MAX: usize = 32;

/// One segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Word(Box<[u8]>),
    /// One segment, of any value.
    Value(Box<str>),
    /// All that follows.
    Rest,
}

/// Reads the template and holds it against a path that it was found for. `None`: it cannot be laid on the path segment
/// by segment (optional parts, patterns), so that it is of no use to find others.
pub(super) fn read(template: &str, path: &[u8]) -> Option<Vec<Part>> {
    if template.len() > TEMPLATE_MAX {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = segment::segments(path);
    for text in template.split('/').filter(|text| !text.is_empty()) {
        let part = part(text);
        let fits = match &part {
            Part::Rest => {
                parts.push(part);
                return Some(parts);
            }
            Part::Word(word) => rest.next().is_some_and(|segment| segment.eq_ignore_ascii_case(word)),
            Part::Value(_) => rest.next().is_some(),
        };
        if !fits {
            return None;
        }
        parts.push(part);
    }
    rest.next().is_none().then_some(parts)
}

fn part(text: &str) -> Part {
    if text.contains('*') {
        return Part::Rest;
    }
    if !text.contains([':', '{', '(']) {
        return Part::Word(text.as_bytes().into());
    }
    let name = text.trim_start_matches([':', '{']);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    match name.get(..end).filter(|name| (1..=NAME_MAX).contains(&name.len())) {
        Some(name) => Part::Value(format!(":{name}").into()),
        None => Part::Value(super::tree::VALUE.into()),
    }
}
