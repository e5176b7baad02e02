//! Who has asked for async context, and where.

use plimsoll_wire::tax::What;

use crate::concerns::event_loop::incident::stack;
use crate::concerns::event_loop::profile::{Origin, Place};

/// Places that are told apart.
const AUTHORS_MAX: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub what: What,
    /// Bits of `plimsoll_wire::tax::callback`, of a hook.
    pub callbacks: u8,
    /// `None`: the app itself.
    pub package: Option<String>,
    /// `src/context.js:12`, `cls-hooked/context.js:250`; empty where nobody knows.
    pub at: String,
    pub function: String,
    /// Where the app's own code led to it, if it was a package that asked.
    pub from: Option<String>,
    /// Bit by bit, the first 64 workers in which it was seen.
    workers: u64,
}

impl Author {
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.workers.count_ones()
    }
}

#[derive(Debug, Default)]
pub(super) struct Authors {
    all: Vec<Author>,
    forgotten: u64,
}

impl Authors {
    pub(super) fn note(&mut self, worker: u16, what: What, callbacks: u8, stack: &str, origin: &Origin) {
        let mut author = read(what, callbacks, stack, origin);
        author.workers = 1 << worker.min(63);
        let same = |known: &Author| (known.what, &known.at) == (author.what, &author.at);
        let has_room = self.all.len() < AUTHORS_MAX;
        match self.all.iter_mut().find(|known| same(known)) {
            Some(known) => {
                known.workers |= author.workers;
                known.callbacks |= author.callbacks;
            }
            None if has_room => self.all.push(author),
            None => self.forgotten += 1,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those who cost most are the first.
    pub(super) fn all(&self) -> Vec<Author> {
        let mut all = self.all.clone();
        all.sort_by_key(|author| {
            (author.what != What::Hook, !author.callbacks & plimsoll_wire::tax::callback::DESTROY)
        });
        all
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

fn read(what: What, callbacks: u8, text: &str, origin: &Origin) -> Author {
    let frames = stack::read(text);
    let unknown = Author {
        what,
        callbacks,
        package: None,
        at: String::new(),
        function: String::new(),
        from: None,
        workers: 0,
    };
    let Some((inner, app)) = stack::written(&frames, origin) else { return unknown };
    let place = |frame: &stack::Frame| origin.place(&frame.function, &frame.script);
    let package = match place(inner) {
        Place::Package { package, .. } => Some(package),
        _ => None,
    };
    let describe = |frame: &stack::Frame| place(frame).describe(frame.line);
    Author {
        at: describe(inner),
        function: stack::name(inner, &frames).to_owned(),
        from: app.filter(|_| package.is_some()).map(describe),
        package,
        ..unknown
    }
}
