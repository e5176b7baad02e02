//! Rust source with comments and the insides of strings blanked, so that rules see code only.

/// Replaces every character of a comment or of a string's content by a space; lines stay where they are.
pub(super) fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let previous = code.chars().next_back();
        let length = match skipped(rest, previous) {
            0 => {
                code.push(first);
                first.len_utf8()
            }
            length => {
                let (skipped, _) = rest.split_at(length);
                code.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                length
            }
        };
        rest = rest.split_at(length).1;
    }
    code
}

/// Length of the comment, string or character literal at the start of `text`; 0: there is none.
fn skipped(text: &str, previous: Option<char>) -> usize {
    let in_word = previous.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r')).filter(|_| !in_word);
    if text.starts_with("//") {
        text.find('\n').unwrap_or(text.len())
    } else if text.starts_with("/*") {
        text.find("*/").map_or(text.len(), |end| end + 2)
    } else if let Some(after) = raw.filter(|after| after.trim_start_matches('#').starts_with('"')) {
        raw_string(text, after)
    } else if text.starts_with('"') {
        quoted(text, '"')
    } else if text.starts_with('\'') && is_character(text) {
        quoted(text, '\'')
    } else {
        0
    }
}

fn raw_string(text: &str, after: &str) -> usize {
    let hashes = after.len() - after.trim_start_matches('#').len();
    let opening = text.len() - after.len() + hashes + 1;
    let closing = format!("\"{}", "#".repeat(hashes));
    let inside = text.get(opening..).unwrap_or_default();
    inside.find(&closing).map_or(text.len(), |end| opening + end + closing.len())
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// `'a'` and `'\n'` are characters, `'a` in `&'a str` is a lifetime.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    characters.next() == Some('\\') || characters.next() == Some('\'')
}
