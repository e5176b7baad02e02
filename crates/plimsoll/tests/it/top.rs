//! `plimsoll top`, in a terminal and where there is none.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{App, Launch, Server, pause, signal, until};

const LIFE: &str = include_str!("apps/life.js");

fn server() -> Server {
    Launch::plimsoll(App::source(LIFE)).start()
}

#[test]
fn it_shows_the_workers_follows_the_size_and_leaves_the_terminal_as_it_was() {
    let server = server();
    let pid = server.workers(1)[0].to_string();
    server.get("/");
    let mut terminal = server.in_terminal(&["top"], 80, 24);
    until("it is drawn", || terminal.seen().contains(&pid).then_some(()));
    assert!(terminal.seen().contains("\u{1b}[?1049h"), "on a screen of its own");
    terminal.press("3");
    terminal.wait_for("ROUTE");
    terminal.resize(20, 5);
    // Spaces are not written where the screen is blank: one word at a time.
    terminal.wait_for("20x5");
    terminal.resize(120, 40);
    terminal.wait_for("ROUTE");
    terminal.press("1");
    terminal.wait_for(&pid);
    terminal.press("q");
    assert_eq!(terminal.exit_code(), Some(0));
    terminal.wait_for("\u{1b}[?1049l");
}

#[test]
fn many_arrows_at_once_do_not_end_it_and_an_escape_does() {
    let server = server();
    server.get("/");
    let mut terminal = server.in_terminal(&["top"], 80, 24);
    terminal.wait_for("overview");
    // Of 22 the last one comes in two pieces.
    terminal.press(&"\u{1b}[B".repeat(22));
    terminal.press("3");
    terminal.wait_for("ROUTE");
    terminal.press("\u{1b}");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let server = server();
    for which in [Signal::TERM, Signal::HUP] {
        let mut terminal = server.in_terminal(&["top"], 80, 24);
        terminal.wait_for("overview");
        signal(terminal.pid(), which);
        assert_eq!(terminal.exit_code(), Some(0));
        terminal.wait_for("\u{1b}[?1049l");
    }
}

#[test]
fn it_reloads_after_asking_and_tells_how_that_went() {
    let server = server();
    let before = server.workers(1);
    let mut terminal = server.in_terminal(&["top"], 80, 24);
    terminal.press("r");
    terminal.wait_for("? y or n");
    terminal.press("n");
    terminal.wait_for("not reloaded");
    terminal.press("r");
    terminal.wait_for("? y or n");
    terminal.press("y");
    until("it says how the reload went", || {
        // Only what changes on the screen is written: the words are whole where all of it is drawn anew.
        terminal.press("\u{c}");
        pause(Duration::from_millis(50));
        terminal.seen().contains("reloaded: 1 worker renewed").then_some(())
    });
    assert_ne!(server.workers(1), before);
    terminal.press("\u{3}");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn an_instance_that_ends_is_told_as_lost() {
    let mut server = server();
    let mut terminal = server.in_terminal(&["top"], 80, 24);
    terminal.wait_for("overview");
    server.plimsoll(&["stop"]);
    server.exit_code();
    terminal.wait_for("lost, as it was");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn where_no_screen_can_be_drawn_it_says_what_to_do_instead() {
    let server = server();
    let piped = server.plimsoll(&["top"]);
    let text = String::from_utf8(piped.stderr).unwrap();
    assert_eq!((piped.status.code(), text.contains("plimsoll ps --json")), (Some(2), true), "{text}");
}
