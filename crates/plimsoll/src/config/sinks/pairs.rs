//! The keys of a sink that are tables of names the user chooses: headers and labels.

use toml::Spanned;
use toml::de::DeValue;

use super::Header;
use super::draft::{Draft, Kind};
use super::read::{Reading, text};

/// What is wrong, and what to do.
type Wrong = (String, &'static str);

/// One of these keys.
pub(super) struct Pairs {
    pub(super) name: &'static str,
    pub(super) kinds: &'static [Kind],
    pub(super) doc: &'static str,
    add: fn(&mut Draft, &str, String, String) -> Result<(), Wrong>,
    /// Names, and what may be shown of their values.
    pub(super) shown: fn(&Draft) -> Vec<(String, String)>,
}

pub(super) static PAIRS: [Pairs; 2] = [
    Pairs {
        name: "headers",
        kinds: &Kind::SENDING,
        doc: "Headers of each request: `[logs.sink.headers]`, a name and a text each. `${NAME}` in a text stands for an \
              environment variable: `Authorization = \"Bearer ${LOG_TOKEN}\"`. Values are not shown by `plimsoll config`.",
        add: add_header,
        shown: |draft| draft.headers.iter().map(|it| (it.name.clone(), it.shown.clone())).collect(),
    },
    Pairs {
        name: "labels",
        kinds: &[Kind::Otlp, Kind::Loki],
        doc: "What is said of all lines: `[logs.sink.labels]`, labels of the stream (loki) or attributes of the resource \
              (otlp). `service_name` or `service.name` is the name of the instance, unless it is given here.",
        add: |draft, name, _, value| {
            draft.labels.push((name.to_owned(), value));
            Ok(())
        },
        shown: |draft| draft.labels.clone(),
    },
];

pub(super) fn find(name: &str) -> Option<&'static Pairs> {
    PAIRS.iter().find(|pairs| pairs.name == name)
}

pub(super) fn of(kind: Kind) -> impl Iterator<Item = &'static Pairs> + Clone {
    PAIRS.iter().filter(move |pairs| pairs.kinds.contains(&kind))
}

impl Pairs {
    pub(super) fn read(&self, reading: &mut Reading<'_>, value: &Spanned<DeValue<'_>>, draft: &mut Draft) {
        let key = self.name;
        let DeValue::Table(table) = value.get_ref() else {
            let hint = format!("write a name and a text each under `[logs.sink.{key}]`");
            return reading.wrong(value.span().start, format!("logs.sink.{key} is a table"), hint);
        };
        for (name, value) in table {
            let at = value.span().start;
            let Some(raw) = text(value.get_ref()) else {
                reading.wrong(
                    at,
                    format!("logs.sink.{key}: `{}` is no text", name.get_ref()),
                    "write a text",
                );
                continue;
            };
            match substitute(&raw, reading) {
                Err(variable) => reading.wrong(
                    at,
                    format!("logs.sink.{key}: the environment has no `{variable}`"),
                    "set it where plimsoll is started",
                ),
                Ok(value) => {
                    if let Err((what, hint)) = (self.add)(draft, name.get_ref(), raw, value) {
                        reading.wrong(at, what, hint);
                    }
                }
            }
        }
    }
}

fn add_header(draft: &mut Draft, name: &str, raw: String, value: String) -> Result<(), Wrong> {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_value = value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
    if !is_name || !is_value {
        return Err((
            format!("logs.sink.headers: `{name}` is no header"),
            "letters, digits and `-`; no line breaks",
        ));
    }
    let shown = if raw.contains("${") { raw } else { "***".to_owned() };
    draft.headers.push(Header { name: name.to_owned(), value, shown });
    Ok(())
}

/// With the values of variables. `Err`: the one that there is not.
fn substitute(raw: &str, reading: &mut Reading<'_>) -> Result<String, String> {
    let mut value = String::new();
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or_else(|| after.to_owned())?;
        let text = reading.variable(name).ok_or_else(|| name.to_owned())?;
        value.push_str(before);
        value.push_str(text);
        rest = after;
    }
    value.push_str(rest);
    Ok(value)
}
