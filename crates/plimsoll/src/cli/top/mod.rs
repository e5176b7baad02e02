//! `plimsoll top`: what an instance is doing, as it does it.
//!
//! ```text
//!   thread `status` ── asks twice a second ► model ─► view ─► tables ─► screen ─► terminal (ANSI)
//!   thread `reload` ── what it is told ───►   ▲                                     │
//!                                             └───────────── keys ◄─────────────────┘
//! ```
//!
//! The terminal is never waited for longer than a moment, and the instance never here: one that hangs leaves the last that
//! it said on the screen, with its age.

mod cells;
mod keys;
mod lists;
mod model;
mod screen;
mod state;
mod summary;
mod terminal;
#[cfg(test)]
mod tests;
mod wrap;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::{ArgMatches, Command};
use ratatui_core::terminal::Terminal;

use self::keys::Keys;
use self::state::{State, Wish};
use self::terminal::{Ansi, Raw};
use super::instance::{self, Instance};
use super::output;
use crate::exit::Exit;
use crate::observe::findings::Findings;
use crate::observe::report::Line;
use crate::observe::socket;
use crate::observe::status::Status;
use crate::sys::nap;
use crate::sys::signals::{Signal, Signals};

/// Between two questions to the instance.
const EVERY: Duration = Duration::from_millis(500);
/// For so long a key may be waited for before the screen is looked at again: its size may have changed.
const MOMENT: Duration = Duration::from_millis(100);

pub(super) fn command() -> Command {
    Command::new("top")
        .about("Shows what a running instance is doing, as it does it")
        .after_help(
            "Keys: 1-8 or Tab choose what is shown, s and S how it is sorted, the arrows scroll; p pauses, r reloads the \
             workers (after asking), ? helps, q ends.",
        )
        .arg(instance::name_argument())
}

pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    if let Some(problem) = unfit() {
        return output::fail(&problem);
    }
    let picked = instance::pick(instance::name(arguments));
    let (instance, status) = match picked.and_then(|one| one.status().map(|status| (one, status))) {
        Ok(found) => found,
        Err(error) => return instance::fail(&error),
    };
    match show(&instance, status) {
        Ok(()) => Exit::Drained.into(),
        Err(error) => output::fail(&format!("error: the terminal cannot be used: {error}")),
    }
}

/// Why a screen cannot be drawn here.
fn unfit() -> Option<&'static str> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Some("error: top needs a terminal\n hint: for scripts: plimsoll ps --json");
    }
    let name = std::env::var("TERM").unwrap_or_default();
    matches!(name.as_str(), "" | "dumb").then_some(
        "error: this terminal cannot be drawn on (TERM is dumb, or not set)\n hint: plimsoll ps shows the same once",
    )
}

/// What is heard beside the keys.
#[derive(Debug)]
enum News {
    Status(Result<Box<Status>, String>),
    Findings(Box<Findings>),
    /// A reload says how it goes; it is over.
    Said(String, bool),
    /// A signal: the terminal is to be put back.
    End,
}

fn show(instance: &Instance, first: Status) -> std::io::Result<()> {
    let (tell, heard) = channel();
    let asked = instance.clone();
    let teller = tell.clone();
    thread::Builder::new().name("status".to_owned()).spawn(move || ask(&asked, &teller))?;
    hear_signals(tell.clone())?;
    let raw = Raw::enter()?;
    let has_color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut terminal = Terminal::new(Ansi::new(has_color))?;
    let mut state = State::new(first, Instant::now());
    let outcome = watch(&mut terminal, &mut state, &heard, || reload(instance, &tell));
    drop(raw);
    outcome
}

fn watch(
    terminal: &mut Terminal<Ansi>,
    state: &mut State,
    heard: &Receiver<News>,
    mut reload: impl FnMut(),
) -> std::io::Result<()> {
    let mut keys = Keys::default();
    loop {
        for news in heard.try_iter() {
            match news {
                News::Status(status) => state.hear(status, Instant::now()),
                News::Findings(findings) => state.hear_findings(*findings),
                News::Said(line, is_over) => state.hear_reload(line, is_over),
                News::End => return Ok(()),
            }
        }
        terminal.draw(|frame| screen::draw(state, frame.area(), frame.buffer_mut(), Instant::now()))?;
        for key in keys.read(MOMENT)? {
            match state.press(key) {
                Wish::None => {}
                Wish::Redraw => terminal.clear()?,
                Wish::Reload => reload(),
                Wish::End => return Ok(()),
            }
        }
    }
}

/// Whoever ends this from outside gets the terminal back as it was.
fn hear_signals(tell: Sender<News>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::install()?
    };
    let wait = move || {
        runtime.block_on(async { while signals.next().await == Signal::Child {} });
        let _ended = tell.send(News::End);
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

/// Asks for the status again and again, as long as somebody hears it.
fn ask(instance: &Instance, tell: &Sender<News>) {
    loop {
        let before = Instant::now();
        // One that does not answer is told by its status, and an older one knows no findings.
        let findings = instance.findings().ok();
        if findings.is_some_and(|findings| tell.send(News::Findings(Box::new(findings))).is_err()) {
            return;
        }
        let status = instance.status().map(Box::new).map_err(|error| error.to_string());
        if tell.send(News::Status(status)).is_err() {
            return;
        }
        nap::take(EVERY.saturating_sub(before.elapsed()));
    }
}

fn reload(instance: &Instance, tell: &Sender<News>) {
    let (instance, tell) = (instance.clone(), tell.clone());
    let told = tell.clone();
    let follow = move || {
        let hear = |line: &Line| {
            if let Line::Said { line } = line {
                let _ended = tell.send(News::Said(line.clone(), false));
            }
        };
        let end = match instance.follow(socket::RELOAD_PATH, hear) {
            Ok(ended) => ended.message,
            Err(error) => format!("reload: {error}"),
        };
        let _ended = tell.send(News::Said(end, true));
    };
    if let Err(error) = thread::Builder::new().name("reload".to_owned()).spawn(follow) {
        let _ended = told.send(News::Said(format!("reload: no thread: {error}"), true));
    }
}
