//! A YAML document as a tree in which every key and value knows where it was written.

/// Lines and columns count from 1; columns count characters, as editors do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone)]
pub struct Node {
    pub position: Position,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub position: Position,
    pub value: Node,
}

/// A node and the way to it: `spec.template.spec.containers[0]`. The position is that of the key, which is
/// what a reader looks for.
#[derive(Debug, Clone)]
pub struct At<'a> {
    node: &'a Node,
    pub path: String,
    pub position: Position,
}

impl<'a> At<'a> {
    #[must_use]
    pub fn root(node: &'a Node) -> Self {
        Self { node, path: String::new(), position: node.position }
    }

    /// What stands under `key`. A null is as good as absent, as it is to Kubernetes.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Self> {
        let Value::Mapping(entries) = &self.node.value else { return None };
        let entry = entries.iter().find(|entry| entry.key == key)?;
        let found = Self { node: &entry.value, path: self.path_of(key), position: entry.position };
        (!matches!(entry.value.value, Value::Null)).then_some(found)
    }

    /// What stands under each key in turn.
    #[must_use]
    pub fn descend(&self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self.clone(), |at, key| at.get(key))
    }

    /// The path that `key` has or would have here.
    #[must_use]
    pub fn path_of(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// The items of a sequence; nothing for all else.
    #[must_use]
    pub fn items(&self) -> Vec<Self> {
        let Value::Sequence(items) = &self.node.value else { return Vec::new() };
        let item = |(index, node): (usize, &'a Node)| Self {
            node,
            path: format!("{}[{index}]", self.path),
            position: node.position,
        };
        items.iter().enumerate().map(item).collect()
    }

    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The text under `key`.
    #[must_use]
    pub fn text_of(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    /// The number under `key`.
    #[must_use]
    pub fn number_of(&self, key: &str) -> Option<u64> {
        self.text_of(key)?.parse().ok()
    }

    /// The texts of the sequence under `key`.
    #[must_use]
    pub fn texts_of(&self, key: &str) -> Vec<&'a str> {
        self.get(key).map_or_else(Vec::new, |list| list.items().iter().filter_map(Self::text).collect())
    }
}
