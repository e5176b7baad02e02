use std::time::Duration;

use ratatui_core::backend::TestBackend;

use super::keys::Key;
use super::state::View;
use super::*;
use crate::observe::control::Ended;
use crate::observe::findings::{Finding, Findings, Severity};
use crate::observe::status::{self, Downstream, Route, Worker, fixture};

fn drawn(state: &State, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(state, frame.area(), frame.buffer_mut(), Instant::now())).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

/// Two looks, a second apart: within it 50 requests came, and the loop of worker 0 was busy for 400 ms.
fn watched() -> State {
    let now = Instant::now();
    let mut state = State::new(fixture(), now);
    let mut later = fixture();
    later.requests.total += 50;
    later.routes[0].requests += 50;
    later.workers[0].requests += 50;
    later.workers[0].event_loop.busy_us += 400_000;
    state.hear(Ok(Box::new(later)), now + Duration::from_secs(1));
    state
}

#[test]
fn the_overview_fits_80_columns_and_24_lines() {
    let lines = drawn(&watched(), 80, 24);
    let expected = [
        "shop: ready  0.0.0.0:3000",
        "50 requests/s, 3 in flight, 0/s failed, 0/s rescued, 0/s queued; 1257 in all",
        "[1 overview]2 workers 3 routes 4 calls 5 pools 6 logs 7 incidents 8 findings",
    ];
    assert_eq!(lines[..3], expected, "{lines:#?}");
    let row = |start: &str| {
        lines.iter().find(|line| line.trim_start().starts_with(start)).cloned().unwrap_or_default()
    };
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let worker =
        ["0", "ready", "4243", "40%", "120ms", "700ms", "3", "50", "31", "MB", "3%", "50", "MB", "1h", "2m"];
    assert_eq!(words(&row("0 ready")), worker, "{lines:#?}");
    assert!(row("1 stopped").contains(" - "), "{lines:#?}");
    assert_eq!(
        words(&row("GET /users")),
        ["GET", "/users/:id", "50", "1250", "0.9ms", "12ms", "41ms", "-", "2"],
        "{lines:#?}"
    );
    for part in [
        "downstreams  0 calls/s, 4 in flight",
        "pool         pg@db:5432/shop: 3 of 10 in use",
        "logs  ",
        "incidents  ",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    }
    assert!(lines[23].starts_with("q end"), "{lines:#?}");
}

#[test]
fn every_view_can_be_drawn_at_any_size() {
    let mut state = watched();
    for view in View::ALL {
        state.view = view;
        for (width, height) in [(1, 1), (5, 3), (29, 24), (30, 6), (40, 7), (80, 24), (200, 60), (300, 8)] {
            state.scroll.set(usize::from(width));
            drawn(&state, width, height);
        }
    }
    assert_eq!(drawn(&state, 20, 5)[0], "20x5 is too small");
}

#[test]
fn many_rows_are_cut_and_scrolled_and_the_rest_is_counted() {
    let mut large = fixture();
    let worker = large.workers[0].clone();
    large.workers = (0..64).map(|id| Worker { id, ..worker.clone() }).collect();
    let route = large.routes[0].clone();
    large.routes =
        (0..100).map(|at| Route { route: format!("GET /{at:03}"), requests: at, ..route.clone() }).collect();
    let mut state = State::new(large, Instant::now());
    state.press(Key::Char('2'));
    let lines = drawn(&state, 80, 24);
    assert!(lines[22].starts_with("… 47 more"), "{lines:#?}");
    state.press(Key::End);
    let lines = drawn(&state, 80, 24);
    assert!(lines[22].trim_start().starts_with("63 ready"), "{lines:#?}");
    state.press(Key::Up);
    let lines = drawn(&state, 80, 24);
    assert!(lines[5].trim_start().starts_with("45 ready"), "{lines:#?}");
    state.press(Key::Char('3'));
    assert_eq!(state.scroll.get(), 0);
    // By the number of requests, then the other way round.
    state.press(Key::Char('s'));
    assert!(drawn(&state, 80, 24)[5].starts_with("GET /099"));
    state.press(Key::Char('S'));
    assert!(drawn(&state, 80, 24)[5].starts_with("GET /000"));
}

#[test]
fn names_cannot_move_the_cursor_and_long_ones_are_cut() {
    let mut status = fixture();
    status.name = "a\x1b[2Jb\u{9b}31m".into();
    status.routes[0].route = format!("GET /\x1b]0;x\x07{}", "y".repeat(500));
    let mut state = State::new(status, Instant::now());
    state.press(Key::Char('3'));
    let lines = drawn(&state, 80, 24);
    assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:#?}");
    assert!(lines[5].contains('…') && lines[5].ends_with('2'), "{lines:#?}");
}

#[test]
fn a_lost_instance_leaves_what_it_said_last_with_its_age() {
    let mut state = watched();
    state.hear(Err("instance shop did not answer within 5s".into()), Instant::now());
    let lines = drawn(&state, 80, 24);
    assert!(lines[0].starts_with("shop: lost, as it was 0s ago; instance shop did not answer"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("4243")), "{lines:#?}");
    state.hear(Ok(Box::new(fixture())), Instant::now());
    assert!(drawn(&state, 80, 24)[0].starts_with("shop: ready"));
}

#[test]
fn a_pause_keeps_the_numbers() {
    let mut state = watched();
    state.press(Key::Char('p'));
    let mut later = fixture();
    later.requests.total = 9999;
    state.hear(Ok(Box::new(later)), Instant::now());
    let lines = drawn(&state, 120, 24);
    assert!(lines[0].ends_with("PAUSED") && lines[1].ends_with("1257 in all"), "{lines:#?}");
}

#[test]
fn a_reload_is_asked_for_twice_and_told_to_its_end() {
    let mut state = watched();
    assert_eq!(state.press(Key::Char('r')), Wish::None);
    assert!(drawn(&state, 80, 24)[23].starts_with("reload the workers of shop? y or n"));
    assert_eq!(state.press(Key::Char('q')), Wish::None, "anything but y is no");
    assert_eq!(drawn(&state, 80, 24)[23], "not reloaded");
    state.press(Key::Char('r'));
    assert_eq!(state.press(Key::Char('y')), Wish::Reload);
    state.press(Key::Char('r'));
    assert!(!state.confirms, "one at a time");
    let ended = Ended::new(Exit::Drained, "reloaded: 2 workers renewed");
    state.hear_reload(ended.message, true);
    assert_eq!(drawn(&state, 80, 24)[23], "reloaded: 2 workers renewed");
}

#[test]
fn keys_choose_views_and_end() {
    let mut state = watched();
    for (key, view) in [
        (Key::Char('7'), View::Incidents),
        (Key::Char('\t'), View::Findings),
        (Key::Char('\t'), View::Overview),
        (Key::Char('8'), View::Findings),
        (Key::Char('9'), View::Findings),
    ] {
        state.press(key);
        assert_eq!(state.view, view);
    }
    state.press(Key::Char('?'));
    assert!(drawn(&state, 80, 24).iter().any(|line| line.starts_with("S             turn")));
    assert_eq!(state.press(Key::Escape), Wish::None, "it closes the help");
    assert_eq!(state.press(Key::Escape), Wish::End);
    assert_eq!([Key::Char('q'), Key::Control('c')].map(|key| state.press(key)), [Wish::End; 2]);
}

/// What the doctor says of it.
fn judged(count: usize) -> State {
    let mut state = watched();
    let finding = Finding {
        severity: Severity::Critical,
        what: "POST /login blocks the event loop in pbkdf2Sync, hash (server.js)".into(),
        seen: vec![
            "12 stalls, 4.2 s together and 480 ms at worst; 340 requests waited meanwhile, and more".into(),
        ],
        fix: "the same function without Sync runs on another thread".into(),
        ..Finding::default()
    };
    state.hear_findings(Findings {
        name: "shop".into(),
        findings: vec![finding; count],
        ..Findings::default()
    });
    state
}

#[test]
fn what_the_doctor_finds_is_told_in_its_words_and_in_a_line_of_the_overview() {
    let mut state = judged(1);
    let lines = drawn(&state, 80, 24);
    let line = "findings     1; critical: POST /login blocks the event loop in pbkdf2Sync, hash";
    assert!(lines.iter().any(|one| one.starts_with(line)), "{lines:#?}");
    state.press(Key::Char('8'));
    let lines = drawn(&state, 80, 24);
    assert_eq!(lines[2], " 1 overview 2 workers 3 routes 4 calls 5 pools 6 logs 7 incidents[8 findings]");
    assert_eq!(
        lines[6..10],
        [
            "1. critical: POST /login blocks the event loop in pbkdf2Sync, hash (server.js)",
            "   seen      12 stalls, 4.2 s together and 480 ms at worst; 340 requests waited",
            "             meanwhile, and more",
            "   fix       the same function without Sync runs on another thread"
        ],
        "{lines:#?}"
    );
    let mut many = judged(20);
    many.press(Key::Char('8'));
    assert!(drawn(&many, 80, 24)[22].starts_with("… 8"), "the rest is counted");
    many.press(Key::End);
    assert_eq!(drawn(&many, 80, 24)[22], lines[9]);
    let (mut calm, young) = (judged(0), Some("3 requests in 60 s".to_owned()));
    let starts = |state: &State, start: &str| drawn(state, 80, 24).iter().any(|line| line.starts_with(start));
    assert!(starts(&calm, "findings     none in 0s"));
    calm.hear_findings(Findings { too_little: young, ..Findings::default() });
    assert!(starts(&calm, "findings     too little to judge: 3 requests in 60 s"));
}

#[test]
fn an_open_breaker_stands_before_its_service_and_what_is_only_computed_in_brackets() {
    let mut status = fixture();
    let observed = status::downstream::fixture();
    status.downstreams.push(Downstream {
        enforced: false,
        breaker: None,
        origin: "http://mail".into(),
        ..observed
    });
    let mut state = State::new(status, Instant::now());
    state.press(Key::Char('4'));
    let lines = drawn(&state, 80, 24);
    let row = |start: &str| {
        let line = lines.iter().find(|line| line.starts_with(start)).cloned().unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("OPEN"), "OPEN http://stoc… 4 of 10 - 30 0 20ms 0 12 2", "{lines:#?}");
    assert_eq!(row("http://mail"), "http://mail 4 (10) - 30 0 20ms 0 (5) 2", "{lines:#?}");
}
