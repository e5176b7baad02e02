//! Sinks in `plimsoll config`, and on the reference page.

use super::draft::{Draft, Kind};
use super::keys::{KEYS, Key, Need};
use super::pairs;

/// A sink in force: its type, and each key with its value.
#[derive(Debug, Clone)]
pub(in crate::config) struct Shown {
    kind: &'static str,
    values: Vec<(&'static str, String)>,
    pairs: Vec<(&'static str, Vec<(String, String)>)>,
    at: usize,
    /// Where it stands.
    pub(in crate::config) origin: String,
}

impl Shown {
    pub(super) fn of(draft: &Draft, at: usize) -> Self {
        let values = of(draft.kind).map(|key| (key.name(), key.get(draft))).collect();
        let pairs = pairs::of(draft.kind).map(|pairs| (pairs.name, (pairs.shown)(draft)));
        let pairs = pairs.filter(|(_, pairs)| !pairs.is_empty()).collect();
        Self { kind: draft.kind.word(), values, pairs, at, origin: String::new() }
    }

    /// Where in the text of the file.
    pub(in crate::config) fn at(&self) -> usize {
        self.at
    }
}

pub(super) fn of(kind: Kind) -> impl Iterator<Item = &'static dyn Key> + Clone {
    KEYS.iter().copied().filter(move |key| key.kinds().contains(&kind))
}

pub(in crate::config) fn toml(sinks: &[Shown]) -> String {
    let mut text = String::new();
    for sink in sinks {
        text.push_str(&format!("\n{:<36}# {}\ntype = \"{}\"\n", "[[logs.sink]]", sink.origin, sink.kind));
        for (name, value) in &sink.values {
            text.push_str(&format!("{name} = {}\n", crate::config::effective::literal(value)));
        }
        for (name, pairs) in &sink.pairs {
            let quoted = pairs.iter().map(|(name, value)| format!("{name:?} = {value:?}"));
            text.push_str(&format!("{name} = {{ {} }}\n", quoted.collect::<Vec<_>>().join(", ")));
        }
    }
    text
}

pub(in crate::config) fn json(sinks: &[Shown]) -> Vec<serde_json::Value> {
    let object = |sink: &Shown| {
        let values = sink.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
        let fixed = [("type", sink.kind.to_owned()), ("origin", sink.origin.clone())];
        let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        let pairs = sink.pairs.iter().map(|(name, pairs)| {
            let object = pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            ((*name).to_owned(), serde_json::Value::Object(object))
        });
        serde_json::Value::Object(fixed.chain(values).chain(pairs).collect())
    };
    sinks.iter().map(object).collect()
}

const INTRODUCTION: &str = "
## `[[logs.sink]]`

Where the log goes beside Plimsoll's own stdout and stderr: as many as you like, each with a queue of its own. A sink of
type `stdout` is no further one: it says what becomes of our own streams.

```toml
[[logs.sink]]
type = \"file\"
path = \"/var/log/app/app.log\"
rotate_every = \"1d\"
```

";

pub(in crate::config) fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    let words = |kinds: &[Kind]| match kinds.len() == Kind::ALL.len() {
        true => "all".to_owned(),
        false => kinds.iter().map(|kind| format!("`{}`", kind.word())).collect::<Vec<_>>().join(", "),
    };
    page.push_str(&format!("### `type`\n\nWhat it is: {}. Has no default.\n", words_of_all()));
    for key in KEYS {
        let default = match key.need() {
            Need::May if key.name() == "name" => "the type".to_owned(),
            Need::May => default(*key),
            Need::Must => "none, it must be given".to_owned(),
        };
        page.push_str(&format!(
            "\n### `{}`\n\n{}\n\n- Value: {}\n- Default: {default}\n- For: {}\n",
            key.name(),
            key.doc(),
            key.describe(),
            words(key.kinds()),
        ));
    }
    for pairs in &pairs::PAIRS {
        page.push_str(&format!(
            "\n### `{}`\n\n{}\n\n- Value: a table of text\n- Default: none\n- For: {}\n",
            pairs.name,
            pairs.doc,
            words(pairs.kinds),
        ));
    }
    page
}

/// The value that most sinks have, and those of others.
fn default(key: &dyn Key) -> String {
    let values: Vec<_> = key.kinds().iter().map(|kind| (key.get(&Draft::new(*kind)), kind.word())).collect();
    let (first, _) = values.last().cloned().unwrap_or_default();
    let others: Vec<_> = values.iter().filter(|(value, _)| *value != first).collect();
    let others = others.iter().map(|(value, kind)| format!("; `{value}` for `{kind}`")).collect::<String>();
    format!("`{first}`{others}")
}

fn words_of_all() -> String {
    Kind::ALL.iter().map(|kind| format!("`{}`", kind.word())).collect::<Vec<_>>().join(", ")
}
