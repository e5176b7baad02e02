//! From the tables of the file to sinks, every problem with its place.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{Draft, Finished, Kind};
use super::keys::{self, Key, Need};
use super::pairs;
use super::show::{Shown, of};
use super::{LogSink, Standard};
use crate::config::load::{Sources, Variable};
use crate::config::nearest::nearest;

const TYPE: &str = "type";

/// What is wrong, at which offset of the text, and what to do.
pub(in crate::config) struct Mistake {
    pub(in crate::config) at: usize,
    pub(in crate::config) what: String,
    pub(in crate::config) hint: String,
}

/// The sinks of a file.
#[derive(Debug, Default)]
pub(in crate::config) struct Sinks {
    pub(in crate::config) standard: Standard,
    pub(in crate::config) sinks: Vec<LogSink>,
    pub(in crate::config) shown: Vec<Shown>,
    /// Variables that they take a value from which is not known.
    pub(in crate::config) unseen: Vec<String>,
}

/// Reads `[[logs.sink]]` into `sinks`.
pub(in crate::config) fn read(
    value: &Spanned<DeValue<'_>>,
    sources: &Sources,
    sinks: &mut Sinks,
) -> Vec<Mistake> {
    let mut reading = Reading { mistakes: Vec::new(), unseen: Vec::new(), sources };
    let DeValue::Array(tables) = value.get_ref() else {
        reading.wrong(
            value.span().start,
            "logs.sink is a list".to_owned(),
            "write each sink under `[[logs.sink]]`",
        );
        return reading.mistakes;
    };
    let mut names: Vec<String> = Vec::new();
    for table in tables {
        let at = table.span();
        let DeValue::Table(keys) = table.get_ref() else {
            reading.wrong(at.start, "a sink is a table".to_owned(), "write each sink under `[[logs.sink]]`");
            continue;
        };
        let Some(draft) = reading.sink(at.clone(), keys) else { continue };
        if names.contains(&draft.name) {
            let what = format!("two sinks are called `{}`", draft.name);
            reading.wrong(at.start, what, "give one of them a `name` of its own");
        }
        names.push(draft.name.clone());
        sinks.shown.push(Shown::of(&draft, at.start));
        match draft.finish() {
            None => {}
            Some(Finished::Standard(standard)) => sinks.standard = standard,
            Some(Finished::Sink(sink)) => sinks.sinks.push(*sink),
        }
    }
    sinks.unseen = reading.unseen;
    reading.mistakes
}

pub(super) struct Reading<'a> {
    mistakes: Vec<Mistake>,
    unseen: Vec<String>,
    sources: &'a Sources,
}

impl Reading<'_> {
    fn sink(&mut self, at: Range<usize>, table: &DeTable<'_>) -> Option<Draft> {
        let mut draft = Draft::new(self.kind(at.clone(), table)?);
        let mut given = Vec::new();
        for (name, value) in table.iter().filter(|(name, _)| name.get_ref() != TYPE) {
            match keys::find(name.get_ref(), draft.kind) {
                Some(key) if key.kinds().contains(&draft.kind) => {
                    given.push(key.name());
                    self.set(key, value, &mut draft);
                }
                Some(key) => self.unfit(key.name(), key.kinds(), name, draft.kind),
                None => match pairs::find(name.get_ref()) {
                    Some(pairs) if pairs.kinds.contains(&draft.kind) => pairs.read(self, value, &mut draft),
                    Some(pairs) => self.unfit(pairs.name, pairs.kinds, name, draft.kind),
                    None => self.unknown(name, draft.kind),
                },
            }
        }
        for key in of(draft.kind).filter(|key| key.need() == Need::Must && !given.contains(&key.name())) {
            let what = format!("a sink of type `{}` needs `{}`", draft.kind.word(), key.name());
            self.wrong(at.start, what, format!("write {}", key.describe()));
        }
        Some(draft)
    }

    fn kind(&mut self, at: Range<usize>, table: &DeTable<'_>) -> Option<Kind> {
        let words = || Kind::ALL.iter().map(|kind| kind.word());
        let all = format!(
            "write one of {}",
            words().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        );
        let Some(value) = table.get(TYPE) else {
            self.wrong(at.start, "a sink needs a `type`".to_owned(), all);
            return None;
        };
        let text = text(value.get_ref()).unwrap_or_default();
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == text);
        if kind.is_none() {
            let hint = match nearest(&text, ' ', words()) {
                Some(known) => format!("the nearest type is `{known}`"),
                None => all,
            };
            self.wrong(value.span().start, format!("`{text}` is no type of sink"), hint);
        }
        kind
    }

    fn set(&mut self, key: &dyn Key, value: &Spanned<DeValue<'_>>, draft: &mut Draft) {
        let at = value.span().start;
        match text(value.get_ref()) {
            None => {
                let what =
                    format!("logs.sink.{} cannot be of type {}", key.name(), value.get_ref().type_str());
                self.wrong(at, what, format!("write {}", key.describe()));
            }
            Some(text) => {
                if let Err(reason) = key.set(draft, &text) {
                    self.wrong(at, format!("logs.sink.{}: {}", key.name(), reason.fault), reason.hint);
                }
            }
        }
    }

    fn unfit(&mut self, key: &str, kinds: &[Kind], name: &Spanned<Cow<'_, str>>, kind: Kind) {
        let what = format!("a sink of type `{}` has no `{key}`", kind.word());
        let kinds: Vec<_> = kinds.iter().map(|kind| format!("`{}`", kind.word())).collect();
        self.wrong(name.span().start, what, format!("it is for {}", kinds.join(", ")));
    }

    fn unknown(&mut self, name: &Spanned<Cow<'_, str>>, kind: Kind) {
        let names = of(kind).map(Key::name).chain(pairs::of(kind).map(|pairs| pairs.name)).chain([TYPE]);
        let hint = match nearest(name.get_ref(), ' ', names.clone()) {
            Some(known) => format!("the nearest known key is `{known}`"),
            None => format!("it knows {}", names.collect::<Vec<_>>().join(", ")),
        };
        let what = format!("unknown key `{}` of a sink of type `{}`", name.get_ref(), kind.word());
        self.wrong(name.span().start, what, hint);
    }

    /// What a variable stands for; `None`: it is not set.
    pub(super) fn variable(&mut self, name: &str) -> Option<&str> {
        match self.sources.variable(name) {
            Variable::Set(value) => Some(value),
            Variable::Unseen(value) => {
                if !self.unseen.iter().any(|known| known == name) {
                    self.unseen.push(name.to_owned());
                }
                Some(value)
            }
            Variable::None => None,
        }
    }

    pub(super) fn wrong(&mut self, at: usize, what: String, hint: impl Into<String>) {
        self.mistakes.push(Mistake { at, what, hint: hint.into() });
    }
}

/// Text, or a number as it would be typed.
pub(super) fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}
