//! A stack as V8 writes it, and whose function in it is to be changed.

use crate::concerns::event_loop::profile::{Origin, Place};

const FRAMES_MAX: usize = 64;
const NAME_MAX: usize = 120;
const SCRIPT_MAX: usize = 1024;

/// One line of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Empty where it has none.
    pub function: String,
    /// Path, URL or `node:…`; empty for code without a file.
    pub script: String,
    pub line: u32,
    pub column: u32,
}

/// The function that somebody can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Culprit {
    pub function: String,
    pub file: String,
    pub line: u32,
    /// Where it happened, if that is a package's code which this function called, or is itself of a package.
    pub package: Option<String>,
}

/// How an anonymous function is called.
pub const ANONYMOUS: &str = "an anonymous function";

/// Reads `    at name (script:line:column)` and `    at script:line:column`, innermost first.
#[must_use]
pub fn read(stack: &str) -> Vec<Frame> {
    stack.lines().take(FRAMES_MAX).filter_map(frame).collect()
}

fn frame(line: &str) -> Option<Frame> {
    let text = line.trim_start().strip_prefix("at ")?;
    let (function, location) = match text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) {
        Some((function, location)) => (function, location),
        None => ("", text),
    };
    let (location, column) = location.rsplit_once(':')?;
    let (script, line) = location.rsplit_once(':')?;
    let script = if script == "<anonymous>" { "" } else { script };
    Some(Frame {
        function: cut(function, NAME_MAX),
        script: cut(script, SCRIPT_MAX),
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    })
}

/// At most so many bytes, and nothing that a terminal would obey.
fn cut(text: &str, max: usize) -> String {
    let mut short = String::new();
    for c in text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }) {
        if short.len() + c.len_utf8() > max {
            break;
        }
        short.push(c);
    }
    short
}

/// The innermost frame that is not Node's, V8's or ours, and behind it the innermost one of the app.
#[must_use]
pub fn written<'a>(frames: &'a [Frame], origin: &Origin) -> Option<(&'a Frame, Option<&'a Frame>)> {
    let place = |frame: &Frame| origin.place(&frame.function, &frame.script);
    let is_written = |frame: &&Frame| matches!(place(frame), Place::App { .. } | Place::Package { .. });
    let inner = frames.iter().find(is_written)?;
    Some((inner, frames.iter().find(|frame| matches!(place(frame), Place::App { .. }))))
}

/// The name of a frame's function. A callback without one is known by the function of the same file that it stands in,
/// as far as that is the one right behind it.
#[must_use]
pub fn name<'a>(frame: &'a Frame, frames: &'a [Frame]) -> &'a str {
    let is_named = |frame: &Frame| !matches!(frame.function.as_str(), "" | "<anonymous>");
    if is_named(frame) {
        return &frame.function;
    }
    let behind = frames.iter().skip_while(|one| *one != frame).skip(1).find(|one| !one.script.is_empty());
    let around = behind.filter(|one| one.script == frame.script && is_named(one));
    around.map_or("", |one| one.function.as_str())
}

/// Whom to name. `located` tells where a frame was written: its function, script, line.
#[must_use]
pub fn culprit(
    (inner, app): (&Frame, Option<&Frame>),
    origin: &Origin,
    located: impl Fn(&Frame) -> (String, String, u32),
) -> Culprit {
    let package = match origin.place(&inner.function, &inner.script) {
        Place::Package { package, .. } => Some(package),
        _ => None,
    };
    let (function, script, line) = located(app.unwrap_or(inner));
    let function = match function.rsplit_once(' ') {
        // `new Report` and `async load` are known by their last word; `Object.<anonymous>` is the file itself.
        Some((_, name)) => name,
        None => &function,
    };
    let function = function.strip_prefix("Object.").unwrap_or(function);
    let function = if matches!(function, "" | "<anonymous>") { ANONYMOUS } else { function };
    let file = match origin.place(function, &script) {
        Place::App { file } => file,
        Place::Package { package, file } => format!("{package}/{file}"),
        other => other.describe(0),
    };
    Culprit { function: cut(function, NAME_MAX), file: cut(&file, SCRIPT_MAX), line, package }
}
