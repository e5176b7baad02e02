//! Calls that are known to block: by their names in the stack, or, as V8 answers only after they have returned and
//! does not show its own functions, by what the source says near the place.

use super::Ordered;
use super::stack::Frame;

/// A call that blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub hint: &'static str,
    /// It takes in data, so that the size of the request's body matters.
    pub parses: bool,
    /// It was read from the source, not seen in the stack.
    pub is_guess: bool,
}

const ASYNC_CRYPTO: &str = "the same function without Sync runs on another thread";
const ASYNC_ZLIB: &str = "use the function without Sync, or a stream: both run on another thread";
const ASYNC_FS: &str = "use fs.promises; read what never changes once, at the start";
const ASYNC_PROCESS: &str =
    "use spawn or execFile without Sync: the loop turns while the other process works";
const PARSE: &str = "bound the size of what is taken in, read it as a stream, or parse it in a worker thread";
const STRINGIFY: &str = "answer page by page, or write the answer as a stream";
const REGEX: &str = "bound the length of what is matched, and write the expression without nested repetitions, \
                     or use a linear engine (re2)";
const SORT: &str = "let the database sort and limit, or sort in a worker thread";
const NATIVE: &str = "`plimsoll profile --on-stall` shows which call it is";
const CLONE: &str = "copy only what is needed";
const LOG: &str = "the log's pipe is full, and the logger waits for room: log less, or asynchronously \
                   (pino: pino.destination({ sync: false }))";

/// What stands in the source, what people call it, what to do.
const IN_SOURCE: [(&str, &str, &str, bool); 16] = [
    ("JSON.parse(", "JSON.parse", PARSE, true),
    ("JSON.stringify(", "JSON.stringify", STRINGIFY, false),
    ("structuredClone(", "structuredClone", CLONE, false),
    (".sort(", "Array.sort", SORT, false),
    (".toSorted(", "Array.toSorted", SORT, false),
    (".test(", "a regular expression (test)", REGEX, false),
    (".exec(", "a regular expression (exec)", REGEX, false),
    (".match(", "a regular expression (match)", REGEX, false),
    (".matchAll(", "a regular expression (matchAll)", REGEX, false),
    (".replace(", "a regular expression (replace)", REGEX, false),
    (".replaceAll(", "a regular expression (replaceAll)", REGEX, false),
    (".search(", "a regular expression (search)", REGEX, false),
    (".split(", "a regular expression (split)", REGEX, false),
    (".json(", "JSON.stringify", STRINGIFY, false),
    ("Buffer.concat(", "Buffer.concat", "keep the parts, or pass them on as a stream", false),
    ("Atomics.wait(", "Atomics.wait", "wait for a message instead", false),
];

const ORDERED: &str = "nothing is wrong: V8 goes through the whole heap, and other workers serve meanwhile";

const LOG_CALL: &str = "a synchronous write of the log";
const CONSOLE_CALL: &str = "console.log";
const CONSOLE: &str = "each line is written before the app goes on: log less, or with a logger that does not wait \
                       (pino: pino.destination({ sync: false }))";

/// Packages that write synchronously for a logger: pino's.
const SYNC_WRITERS: [&str; 2] = ["/node_modules/sonic-boom/", "/node_modules/atomic-sleep/"];

#[must_use]
pub fn ordered(ordered: Ordered) -> Call {
    let what = match ordered {
        Ordered::Profile => "the profile that was ordered",
        Ordered::Snapshot => "the heap snapshot that was ordered",
    };
    call(what, ORDERED, false)
}

/// A logger that waits for the pipe behind it. `frames`: the innermost ones, up to the one of the app.
#[must_use]
pub fn of_logger(frames: &[Frame]) -> Option<Call> {
    let writes = |frame: &Frame| SYNC_WRITERS.iter().any(|package| frame.script.contains(package));
    let is_console = |frame: &Frame| frame.script.starts_with("node:internal/console/");
    if frames.iter().any(writes) {
        return Some(call(LOG_CALL, LOG, false));
    }
    frames.iter().any(is_console).then(|| call(CONSOLE_CALL, CONSOLE, false))
}

/// Is it a logger that waits?
#[must_use]
pub fn is_logging(name: &str) -> bool {
    name == LOG_CALL || name == CONSOLE_CALL
}

/// A call that the stack shows: the outermost `…Sync` above the frame that somebody wrote.
#[must_use]
pub fn in_stack(above: &[Frame]) -> Option<Call> {
    let named = above.iter().rev().find_map(|frame| {
        let name = frame.function.rsplit([' ', '.']).next()?;
        name.ends_with("Sync").then_some((name, frame.script.as_str()))
    });
    if let Some((name, script)) = named {
        return Some(sync(name, script));
    }
    let is_of = |part: &str| above.iter().any(|frame| frame.script.contains(part));
    is_of("node:child_process").then(|| call("a child process", ASYNC_PROCESS, false))
}

fn sync(name: &str, script: &str) -> Call {
    let hint = match name {
        "pbkdf2Sync"
        | "scryptSync"
        | "generateKeyPairSync"
        | "hkdfSync"
        | "hashSync"
        | "compareSync"
        | "genSaltSync"
        | "argon2Sync" => ASYNC_CRYPTO,
        "execSync" | "spawnSync" | "execFileSync" => ASYNC_PROCESS,
        _ if script.contains("zlib")
            || name.contains("zip")
            || name.contains("flate")
            || name.contains("rotli") =>
        {
            ASYNC_ZLIB
        }
        _ if script.contains("crypto") => ASYNC_CRYPTO,
        _ => ASYNC_FS,
    };
    call(name, hint, false)
}

fn call(name: &str, hint: &'static str, parses: bool) -> Call {
    Call { name: name.to_owned(), hint, parses, is_guess: false }
}

/// V8 has answered only after native code had returned, and nobody knows which.
#[must_use]
pub fn unknown() -> Call {
    Call { is_guess: true, ..call("a call into native code", NATIVE, false) }
}

/// The call that begins at this place of a line: V8 tells the position of the name that is called.
#[must_use]
pub fn at(line: &str, column: u32) -> Option<Call> {
    let column = (column as usize).checked_sub(1)?;
    let calls = IN_SOURCE.iter().find(|(text, ..)| {
        // The name within the pattern: `.sort(` is told at `sort`, `JSON.parse(` at `parse`.
        let name = text.rfind('.').map_or(0, |dot| dot + 1);
        column
            .checked_sub(name)
            .and_then(|start| line.get(start..))
            .is_some_and(|rest| rest.starts_with(text))
    });
    let known = calls.map(|(_, name, hint, parses)| call(name, hint, *parses));
    known.or_else(|| sync_at(line.get(column..)?))
}

/// Does a function begin at this place of a line, with its parameters? V8 looks for interrupts as it enters one: nothing of
/// it has run, and the time was spent before, by its caller or in what that had called.
#[must_use]
pub fn is_entry(line: &str, column: u32) -> bool {
    let text = (column as usize).checked_sub(1).and_then(|column| line.get(column..)).unwrap_or_default();
    let Some(inside) = text.strip_prefix('(') else {
        let name = text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        return name.len() < text.len() && name.trim_start().starts_with("=>");
    };
    let mut depth = 1;
    let end = inside.char_indices().find_map(|(at, c)| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        (depth == 0).then_some(at + 1)
    });
    let body = end.and_then(|end| inside.get(end..)).unwrap_or_default().trim_start();
    body.starts_with("=>") || body.starts_with('{')
}

/// `readFileSync(…`
fn sync_at(text: &str) -> Option<Call> {
    let name = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
    let is_called = text.get(name.len()..)?.starts_with('(');
    (is_called && name.ends_with("Sync") && name.len() < 40).then(|| sync(name, ""))
}

/// The nearest known call at or above the place in the same function: `lines` ends with the line of the place.
#[must_use]
pub fn near(lines: &[String]) -> Option<Call> {
    let guess = |line: &String| {
        let code = line.split("//").next().unwrap_or_default();
        let listed = IN_SOURCE.iter().find(|(text, ..)| code.contains(text));
        let listed = listed.map(|(_, name, hint, parses)| call(name, hint, *parses));
        let sync =
            || code.match_indices("Sync(").find_map(|(at, _)| sync_at(code.get(word_start(code, at)..)?));
        sync().or(listed).map(|call| Call { is_guess: true, ..call })
    };
    for line in lines.iter().rev() {
        let found = guess(line);
        if found.is_some() || begins_function(line) {
            return found;
        }
    }
    None
}

/// What stands above is another function's.
fn begins_function(line: &str) -> bool {
    let line = line.trim();
    line.ends_with("=> {") || line.contains("function") || (line.ends_with(") {") && !is_control(line))
}

fn is_control(line: &str) -> bool {
    let line = line.trim_start_matches(['}', ' ']);
    ["if ", "if(", "for ", "for(", "while ", "while(", "switch ", "else", "catch"]
        .iter()
        .any(|word| line.starts_with(word))
}

/// What most probably blocked where a large body of JSON had come and nothing else is known.
#[must_use]
pub fn parse_of_body(known: &Call) -> Option<Call> {
    let is_unknown = known.is_guess && known.hint == NATIVE;
    is_unknown.then(|| Call { is_guess: true, ..call("JSON.parse", PARSE, true) })
}

fn word_start(text: &str, end: usize) -> usize {
    let before = text.get(..end).unwrap_or_default();
    before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1)
}
