//! Where a function is: in the app, in a package of it, in Node, in V8, in our agent.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::percent::decode;

/// Whose code a function is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    App {
        file: String,
    },
    Package {
        package: String,
        file: String,
    },
    /// `node:fs`.
    Node {
        module: String,
    },
    /// A function of V8 or of an addon.
    Native,
    /// Plimsoll's own code in the worker.
    Agent,
    /// No function: V8's own states.
    State(State),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    Root,
    /// The loop waits.
    Idle,
    /// Native code outside of every function.
    Program,
    GarbageCollector,
}

/// What paths are told relative to, and where our agent lies.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Where the app was started.
    pub directory: PathBuf,
    pub agent: Option<PathBuf>,
}

const PACKAGES: &str = "/node_modules/";

impl Origin {
    #[must_use]
    pub fn place(&self, name: &str, url: &str) -> Place {
        match (name, url) {
            ("(root)", "") => Place::State(State::Root),
            ("(idle)", "") => Place::State(State::Idle),
            ("(program)", "") => Place::State(State::Program),
            ("(garbage collector)", "") => Place::State(State::GarbageCollector),
            (_, "") => Place::Native,
            (_, url) if url.starts_with("wasm://") => Place::Native,
            (_, url) => match url.strip_prefix("node:") {
                Some(_) => Place::Node { module: url.to_owned() },
                None => self.of_file(&path(url)),
            },
        }
    }

    fn of_file(&self, path: &str) -> Place {
        if self.agent.as_ref().is_some_and(|agent| Path::new(path).starts_with(agent)) {
            return Place::Agent;
        }
        match package(path) {
            Some((package, file)) => Place::Package { package: package.to_owned(), file: file.to_owned() },
            None => Place::App { file: self.relative(path) },
        }
    }

    fn relative(&self, path: &str) -> String {
        let relative =
            Path::new(path).strip_prefix(&self.directory).ok().filter(|_| self.directory != Path::new("/"));
        relative.map_or_else(|| path.to_owned(), |path| path.display().to_string())
    }
}

/// The path of a script: CommonJS is told by path, modules by URL.
#[must_use]
pub fn path(url: &str) -> String {
    url.strip_prefix("file://").map_or_else(|| url.to_owned(), decode)
}

/// The innermost package that a file belongs to, and the file's path in it.
fn package(path: &str) -> Option<(&str, &str)> {
    let (_, inside) = path.rsplit_once(PACKAGES)?;
    let scoped = usize::from(inside.starts_with('@'));
    let (end, _) = inside.match_indices('/').nth(scoped)?;
    Some((inside.get(..end)?, inside.get(end + 1..)?))
}

impl Place {
    /// For the eyes: `src/report.js:88`, `lodash/cloneDeep.js:3`, `node:fs:44`, `native`.
    #[must_use]
    pub fn describe(&self, line: u32) -> String {
        let at = |file: &str| if line == 0 { file.to_owned() } else { format!("{file}:{line}") };
        match self {
            Self::App { file } => at(file),
            Self::Package { package, file } => at(&format!("{package}/{file}")),
            Self::Node { module } => at(module),
            Self::Native => "native".to_owned(),
            Self::Agent => "plimsoll's agent".to_owned(),
            Self::State(_) => String::new(),
        }
    }
}
