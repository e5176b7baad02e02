//! The settings file: TOML text to (setting, text, place), every problem with its line and column.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::lane::Lanes;
use super::load::{Found, Sources};
use super::named;
use super::nearest::nearest;
use super::problem::{Place, Problem};
use super::settings::{find, is_table, names};
use super::sinks::{self, Sinks};

/// A settings file of more is not one: a wrong path must not fill the memory.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The one list of tables.
const SINKS: &str = "logs.sink";

/// Whether a file that is not there is a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
}

/// Reads `path`; `None`: there is no such file and there need not be one.
pub(super) fn read(path: &Path, presence: Presence) -> Result<Option<String>, Problem> {
    let mut bytes = Vec::new();
    let outcome = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound && presence == Presence::Optional => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
        Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => Err(Problem {
            what: "the settings file is larger than 1MB".to_owned(),
            place: Place::Path(path.to_owned()),
            hint: "check that this is the file you meant".to_owned(),
        }),
        Ok(_) => String::from_utf8(bytes).map(Some).map_err(|error| not_utf8(path, &error)),
    }
}

/// Reads the settings in `text`. What could be read is returned beside the problems, so that problems of other
/// sources and of values can be reported in the same run.
/// From the variables of `sources` a secret may be taken.
pub(super) fn parse(path: &Path, text: &str, sources: &Sources) -> Parsed {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reading = Reading { path, text, sources, parsed: Parsed::default() };
    for error in &errors {
        reading.syntax(error);
    }
    if errors.is_empty() {
        reading.walk("", table.get_ref());
    }
    let mut parsed = reading.parsed;
    parsed.problems.sort_by(|a, b| a.place.cmp(&b.place));
    // The parser goes on after an error, and may meet the same one again.
    parsed.problems.dedup();
    parsed
}

/// What a file says.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) found: Vec<Found>,
    pub(super) sinks: Sinks,
    pub(super) problems: Vec<Problem>,
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    sources: &'a Sources,
    parsed: Parsed,
}

impl Reading<'_> {
    /// Decides what each key is: a setting, a table of settings, or unknown. An unknown table is reported once,
    /// not once per key in it.
    fn walk(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = match prefix {
                "" => name.get_ref().to_string(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            match (find(&key), value.get_ref()) {
                (Some(setting), DeValue::Array(tables)) if setting.is_tables() => {
                    if let Some(text) = self.lanes(&key, tables) {
                        let place = self.place(value.span().start);
                        self.parsed.found.push(Found { under: None, setting, text, place });
                    }
                }
                (Some(setting), value_read) => match scalar(value_read, setting) {
                    Some(text) => {
                        let place = self.place(value.span().start);
                        self.parsed.found.push(Found { under: None, setting, text, place });
                    }
                    None => self.wrong_type(&key, value, &format!("write {}", setting.describe())),
                },
                (None, _) if key == SINKS => self.sinks(value),
                (None, DeValue::Table(table)) if is_table(&key) => self.walk(&key, table),
                (None, DeValue::Table(table)) if named::table(prefix).is_some() => {
                    named::table(prefix).into_iter().for_each(|names| self.walk_named(names, name, table));
                }
                (None, _) if is_table(&key) => {
                    self.wrong_type(&key, value, &format!("write its settings under `[{key}]`"));
                }
                (None, _) => self.unknown(&key, name),
            }
        }
    }

    fn sinks(&mut self, value: &Spanned<DeValue<'_>>) {
        for mistake in sinks::read(value, self.sources, &mut self.parsed.sinks) {
            self.problem(mistake.at, mistake.what, mistake.hint);
        }
        let (path, text) = (self.path, self.text);
        for shown in &mut self.parsed.sinks.shown {
            let line = text.get(..shown.at()).unwrap_or_default().matches('\n').count() + 1;
            shown.origin = format!("{}:{line}", path.display());
        }
    }

    /// The lanes in one line; what is wrong with them is reported.
    fn lanes(&mut self, key: &str, tables: &DeArray<'_>) -> Option<String> {
        let before = self.parsed.problems.len();
        let mut lines = Vec::new();
        for table in tables {
            let DeValue::Table(fields) = table.get_ref() else {
                self.wrong_type(
                    key,
                    table,
                    &format!("write `[[{key}]]`, with `routes` and `workers` under it"),
                );
                continue;
            };
            let (mut routes, mut workers) = (Vec::new(), "1".to_owned());
            for (name, value) in fields {
                match (name.get_ref().as_ref(), value.get_ref()) {
                    ("routes", DeValue::Array(texts)) if texts.iter().all(|text| text.get_ref().is_str()) => {
                        routes = texts.iter().filter_map(|text| text.get_ref().as_str()).collect();
                    }
                    ("workers", DeValue::Integer(number)) => workers = number.as_str().to_owned(),
                    ("routes", _) => self.wrong_type(
                        &format!("{key}.routes"),
                        value,
                        "write an array of routes, like `[\"POST /reports/*\"]`",
                    ),
                    ("workers", _) => self.wrong_type(&format!("{key}.workers"), value, "write a number"),
                    (unknown, _) => self.problem(
                        name.span().start,
                        format!("unknown key `{key}.{unknown}`"),
                        "a lane has `routes` and `workers`".to_owned(),
                    ),
                }
            }
            lines.push(Lanes::line(&routes, &workers));
        }
        (self.parsed.problems.len() == before).then(|| lines.join("; "))
    }

    /// A table under a name of the user's choice: `[downstream."api.example.com"]`.
    fn walk_named(
        &mut self,
        names: named::Table,
        at: &Spanned<std::borrow::Cow<'_, str>>,
        table: &DeTable<'_>,
    ) {
        let under = at.get_ref().as_ref();
        if let Err(reason) = names.check(under) {
            return self.problem(at.span().start, reason.fault, reason.hint);
        }
        for (name, value) in table {
            let Some(setting) = names.find(name.get_ref()) else {
                self.unknown(&names.general_key(name.get_ref()), name);
                continue;
            };
            match scalar(value.get_ref(), setting) {
                Some(text) => {
                    let place = self.place(value.span().start);
                    self.parsed.found.push(Found { under: Some(under.to_owned()), setting, text, place });
                }
                None => {
                    let hint = format!("write {}", setting.describe());
                    self.wrong_type(&names.key(under, setting), value, &hint);
                }
            }
        }
    }

    fn syntax(&mut self, error: &toml::de::Error) {
        let start = error.span().map_or(0, |span| span.start);
        // The message may come with a second line of what was expected; one line is enough beside the place.
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let hint = match message.contains("duplicate") {
            true => "a key may stand only once: remove one of the two",
            false => "correct the TOML here; text needs quotes: `grace = \"30s\"`",
        };
        self.problem(start, format!("the settings file is not valid TOML: {message}"), hint.to_owned());
    }

    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, hint: &str) {
        let article = match value.get_ref().type_str() {
            "integer" | "array" => "an",
            _ => "a",
        };
        let what = format!("{key} cannot be {article} {}", value.get_ref().type_str());
        self.problem(value.span().start, what, hint.to_owned());
    }

    fn unknown(&mut self, key: &str, name: &Spanned<std::borrow::Cow<'_, str>>) {
        let hint = match nearest(key, '.', names().into_iter().chain([SINKS])) {
            Some(known) => format!("the nearest known key is `{known}`"),
            None => "`plimsoll config` prints all keys".to_owned(),
        };
        self.problem(name.span().start, format!("unknown key `{key}`"), hint);
    }

    fn problem(&mut self, offset: usize, what: String, hint: String) {
        self.parsed.problems.push(Problem { what, place: self.place(offset), hint });
    }

    fn place(&self, offset: usize) -> Place {
        place_of(self.path, self.text.get(..offset).unwrap_or(self.text))
    }
}

/// The text of a value that can be a setting: text, or a number, as it would be typed after a flag.
fn scalar(value: &DeValue<'_>, setting: &dyn super::definition::Definition) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i128::from_str_radix(number.as_str(), number.radix());
            Some(parsed.map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()))
        }
        // Few settings are shares or truths; for any other it is a mistake of kind.
        DeValue::Float(number) => fits(setting, number.as_str()),
        DeValue::Boolean(truth) => fits(setting, if *truth { "true" } else { "false" }),
        _ => None,
    }
}

fn fits(setting: &dyn super::definition::Definition, text: &str) -> Option<String> {
    setting.set(&mut super::resolved::Config::default(), text).is_ok().then(|| text.to_owned())
}

fn place_of(path: &Path, before: &str) -> Place {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place::File { path: path.to_owned(), line, column }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let hint = match error.kind() {
        ErrorKind::NotFound => "create it, or correct --config or PLIMSOLL_CONFIG",
        ErrorKind::IsADirectory => "name the file in it",
        _ => "make it readable for the user that runs plimsoll",
    };
    Problem {
        what: format!("the settings file cannot be read: {}", error.kind()),
        place: Place::Path(path.to_owned()),
        hint: hint.to_owned(),
    }
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Problem {
    let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    Problem {
        what: "the settings file is not UTF-8".to_owned(),
        place: place_of(path, &String::from_utf8_lossy(valid)),
        hint: "save it as UTF-8".to_owned(),
    }
}
