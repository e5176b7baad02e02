//! A shell script taken apart: its commands, and what stands between them. Quotes are taken off, nothing is expanded. Enough
//! to find a command, its flags and its place; not a shell.

use std::iter::Peekable;
use std::str::CharIndices;

#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) statements: Vec<Statement>,
    /// What stands behind the last one.
    pub(super) after: String,
}

/// A command and what it is given.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    /// What stands between it and the one before: `;`, `&&`, `|`, `(`.
    pub(super) before: String,
    pub(super) words: Vec<Word>,
}

#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) text: String,
    /// Where in the script it begins.
    pub(super) at: usize,
}

pub(super) fn parse(script: &str) -> Script {
    let characters = script.char_indices().peekable();
    let mut reader = Reader { characters, script: Script::default(), open: Statement::default(), word: None };
    while let Some((at, c)) = reader.characters.next() {
        reader.take(at, c);
    }
    reader.finish()
}

/// The words of each statement.
pub(super) fn statements(script: &str) -> Vec<Vec<String>> {
    let texts = |statement: Statement| statement.words.into_iter().map(|word| word.text).collect();
    parse(script).statements.into_iter().map(texts).collect()
}

struct Reader<'a> {
    characters: Peekable<CharIndices<'a>>,
    script: Script,
    open: Statement,
    word: Option<Word>,
}

impl Reader<'_> {
    fn take(&mut self, at: usize, c: char) {
        match c {
            '\'' | '"' => self.quoted(at, c),
            '\\' => match self.characters.next() {
                // A line that ends in a backslash goes on.
                Some((_, '\n')) | None => {}
                Some((_, escaped)) => self.push(at, escaped),
            },
            '#' if self.word.is_none() => while self.characters.next_if(|(_, c)| *c != '\n').is_some() {},
            '$' if self.is_next('(') => self.substitution(at),
            '&' | '|' if self.is_redirection(c) => self.push(at, c),
            ';' | '&' | '|' | '\n' | '(' | ')' => self.separate(c),
            c if c.is_whitespace() => self.end_word(),
            c => self.push(at, c),
        }
    }

    fn quoted(&mut self, at: usize, quote: char) {
        self.word(at);
        while let Some((_, c)) = self.characters.next().filter(|(_, c)| *c != quote) {
            let escaped = (c == '\\' && quote == '"').then(|| self.characters.next()).flatten();
            self.push(at, escaped.map_or(c, |(_, escaped)| escaped));
        }
    }

    /// `$(…)` stays as it is, in one word.
    fn substitution(&mut self, at: usize) {
        self.push(at, '$');
        let mut depth = 0_usize;
        while let Some((_, c)) = self.characters.next() {
            self.push(at, c);
            match c {
                '(' => depth += 1,
                ')' if depth <= 1 => return,
                ')' => depth -= 1,
                _ => {}
            }
        }
    }

    /// `2>&1`, `&>log`, `>|log`
    fn is_redirection(&mut self, c: char) -> bool {
        let is_open = self.word.as_ref().is_some_and(|word| word.text.ends_with(['<', '>']));
        is_open || (c == '&' && self.is_next('>'))
    }

    fn is_next(&mut self, wanted: char) -> bool {
        self.characters.peek().is_some_and(|(_, next)| *next == wanted)
    }

    fn word(&mut self, at: usize) -> &mut Word {
        self.word.get_or_insert_with(|| Word { text: String::new(), at })
    }

    fn push(&mut self, at: usize, c: char) {
        self.word(at).text.push(c);
    }

    fn end_word(&mut self) {
        self.open.words.extend(self.word.take());
    }

    fn separate(&mut self, separator: char) {
        self.end_word();
        if !self.open.words.is_empty() {
            self.script.statements.push(std::mem::take(&mut self.open));
        }
        self.open.before.push(separator);
    }

    fn finish(mut self) -> Script {
        self.end_word();
        match self.open.words.is_empty() {
            true => self.script.after = self.open.before,
            false => self.script.statements.push(self.open),
        }
        self.script
    }
}
