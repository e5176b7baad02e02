//! Text to documents, by the events of a YAML parser.
//!
//! The tree is built here and not by a library because a manifest that comes from a stranger (or from a
//! template gone wrong) must not cost more than it is worth: depth and size are bounded, aliases included. A
//! key that stands twice is an error, as it is to `kubectl`; `<<` merges, as it does there.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::node::{Entry, Node, Position, Value};

/// Deeper than any object of Kubernetes; the tree is dropped recursively.
const DEPTH_MAX: usize = 64;
/// Nodes of a file with its aliases written out: a megabyte of short lines has fewer.
const NODES_MAX: usize = 200_000;
const MERGE: &str = "<<";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    pub what: String,
    pub position: Position,
}

/// The documents of a file; empty ones are left out.
///
/// # Errors
/// The first place at which `text` is not YAML.
pub fn parse(text: &str) -> Result<Vec<Node>, Error> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Error {
            what: error.info().to_owned(),
            position: Position { line: error.marker().line().max(1), column: error.marker().col() + 1 },
        })?;
        builder.take(event, position(span))?;
    }
    Ok(builder.documents)
}

fn position(span: Span) -> Position {
    Position { line: span.start.line().max(1), column: span.start.col() + 1 }
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

/// A collection whose end was not seen yet.
struct Open {
    position: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, key: Option<(String, Position)> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, position: Position) -> Result<(), Error> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let null = style == ScalarStyle::Plain && tag.is_none() && is_null(&text);
                let value = if null { Value::Null } else { Value::Scalar(text.into_owned()) };
                self.add(Node { position, value }, anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, position),
            Event::SequenceStart(anchor, _) => self.begin(position, anchor, Content::Sequence(Vec::new())),
            Event::MappingStart(anchor, _) => {
                self.begin(position, anchor, Content::Mapping { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    /// An alias counts as all that it stands for.
    fn alias(&mut self, anchor: usize, position: Position) -> Result<(), Error> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Error { what: "an alias inside what it stands for".to_owned(), position });
        };
        let (nodes, depth) = measure(node);
        self.nodes += nodes;
        if self.open.len() + depth > DEPTH_MAX {
            return Err(too_deep(position));
        }
        let value = node.value.clone();
        self.add(Node { position, value }, 0)
    }

    fn begin(&mut self, position: Position, anchor: usize, content: Content) -> Result<(), Error> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(position));
        }
        self.open.push(Open { position, anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some(Open { position, anchor, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping { entries, .. } => Value::Mapping(merged(entries)),
        };
        self.add(Node { position, value }, anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let what = format!("more than {NODES_MAX} values, aliases written out");
            return Err(Error { what, position: node.position });
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None if matches!(node.value, Value::Null) => Ok(()),
            None => {
                self.documents.push(node);
                Ok(())
            }
            Some(Content::Sequence(items)) => {
                items.push(node);
                Ok(())
            }
            Some(Content::Mapping { entries, key }) => add_to_mapping(entries, key, node),
        }
    }
}

/// A key and a value come in turn.
fn add_to_mapping(
    entries: &mut Vec<Entry>,
    waiting: &mut Option<(String, Position)>,
    node: Node,
) -> Result<(), Error> {
    if let Some((key, position)) = waiting.take() {
        entries.push(Entry { key, position, value: node });
        return Ok(());
    }
    let position = node.position;
    let key = match node.value {
        Value::Scalar(text) => text,
        Value::Null => "null".to_owned(),
        Value::Sequence(_) | Value::Mapping(_) => {
            return Err(Error { what: "a key that is not a text".to_owned(), position });
        }
    };
    if key != MERGE && entries.iter().any(|entry| entry.key == key) {
        return Err(Error { what: format!("the key `{key}` stands here twice"), position });
    }
    *waiting = Some((key, position));
    Ok(())
}

/// `<<: *base` adds what is not there yet.
fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    let (merges, mut own): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| entry.key == MERGE);
    let bases = merges.into_iter().flat_map(|merge| match merge.value.value {
        Value::Sequence(items) => items,
        _ => vec![merge.value],
    });
    for base in bases {
        let Value::Mapping(inherited) = base.value else { continue };
        for entry in inherited {
            if !own.iter().any(|existing| existing.key == entry.key) {
                own.push(entry);
            }
        }
    }
    own
}

/// How many nodes there are, and how deep they go.
fn measure(node: &Node) -> (usize, usize) {
    let below: Vec<(usize, usize)> = match &node.value {
        Value::Null | Value::Scalar(_) => return (1, 0),
        Value::Sequence(items) => items.iter().map(measure).collect(),
        Value::Mapping(entries) => entries.iter().map(|entry| measure(&entry.value)).collect(),
    };
    let nodes = below.iter().map(|(nodes, _)| nodes).sum::<usize>();
    let depth = below.iter().map(|(_, depth)| depth).max().copied().unwrap_or_default();
    (nodes + 1, depth + 1)
}

fn too_deep(position: Position) -> Error {
    Error { what: format!("nested deeper than {DEPTH_MAX} levels"), position }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}
