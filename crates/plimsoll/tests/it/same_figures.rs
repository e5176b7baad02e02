//! The doctor, the page, top, `/status` and `/metrics` say the same of what went wrong, each as exactly as it says it.

use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Browser, Database, Screen, Terminal, until};
use crate::shop::Shop;

const DESK: Screen = Screen { width: 1280, height: 900, is_dark: false };

/// All who say something, of one shop.
struct Told {
    /// Of the finding.
    figures: Value,
    status: Value,
    metrics: String,
    page: Option<(Browser, TempDir)>,
    top: Terminal,
}

impl Drop for Told {
    /// What each of them said last.
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("figures: {}\ntop:\n{}", self.figures, self.top.screen().join("\n"));
            eprintln!("page: {}", self.in_page("main").unwrap_or_default());
        }
    }
}

impl Told {
    /// Rows of a table of the page, each with these columns; where there is no browser, none are asked for.
    fn on_page(&mut self, table: &str, columns: &[&str]) -> Option<Vec<Vec<String>>> {
        let (browser, _) = self.page.as_mut()?;
        let columns = serde_json::to_string(columns).unwrap();
        let rows = format!(
            "[...document.querySelectorAll('#{table} tbody tr')].map((row) => {columns}.map((column) => \
             row.querySelector(`[data-col=\"${{column}}\"] span`).textContent))"
        );
        Some(serde_json::from_value(browser.ask(&rows).unwrap()).unwrap_or_default())
    }

    /// The text of a part of the page.
    fn in_page(&mut self, selector: &str) -> Option<String> {
        let (browser, _) = self.page.as_mut()?;
        let text = browser.ask(&format!("document.querySelector('{selector}').textContent")).unwrap();
        Some(text.as_str().unwrap_or_default().to_owned())
    }

    /// Rows of a view of top, each with these columns.
    fn on_top(&mut self, view: &str, columns: &[&str]) -> Vec<Vec<String>> {
        let screen = self.top.screen();
        let head = screen.iter().position(|line| columns.iter().all(|column| at(line, column).is_some()));
        let Some(head) = head else {
            self.top.press(view);
            return Vec::new();
        };
        let cells = |row: &String| {
            let cell = |column: &&str| at(&screen[head], column).map(|place| cut(row, place));
            columns.iter().filter_map(cell).collect()
        };
        screen.iter().skip(head + 1).take_while(|row| !row.is_empty()).map(cells).collect()
    }

    /// The line of top's overview that begins so.
    fn line_of_top(&mut self, start: &str) -> String {
        let screen = self.top.screen();
        let line = screen.iter().find(|line| line.starts_with(start)).cloned();
        line.unwrap_or_else(|| {
            self.top.press("1");
            String::new()
        })
    }

    fn figure(&self, name: &str) -> f64 {
        self.figures[name].as_f64().unwrap()
    }

    /// The sum of a metric's samples that have all of these labels.
    fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let samples = self.metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let of_labels = samples.filter(|line| labels.iter().all(|label| line.contains(label)));
        of_labels.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// The page and top list it in the doctor's words.
    fn list_it(&mut self, what: &str) -> bool {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.top.press("8");
        // In as many lines as it takes.
        self.top.resize(120, 70);
        let on_top = flat(&self.top.screen().join(" ")).contains(&flat(what));
        on_top && self.in_page("#findings").is_none_or(|text| text.contains(what))
    }
}

/// Where a column stands: from the end of the one before to its own.
fn at(head: &str, column: &str) -> Option<(usize, usize)> {
    let head: Vec<char> = head.chars().collect();
    let title: Vec<char> = column.chars().collect();
    let is_edge =
        |place: Option<usize>| place.and_then(|place| head.get(place)).is_none_or(|one| " ↓↑".contains(*one));
    let begins = head.windows(title.len()).enumerate().find(|(place, part)| {
        *part == title.as_slice() && is_edge(place.checked_sub(1)) && is_edge(Some(place + title.len()))
    });
    let begins = begins?.0;
    let before = head[..begins].iter().rposition(|one| *one != ' ').map_or(0, |place| place + 1);
    let end = begins + title.len();
    Some((before, if matches!(head.get(end), Some('↓' | '↑')) { end + 1 } else { end }))
}

fn cut(row: &str, (from, to): (usize, usize)) -> String {
    row.chars().skip(from).take(to - from).collect::<String>().trim().to_owned()
}

/// Whether a text says this number, by the digits that it shows.
fn says(text: &str, value: f64) -> bool {
    let text: String = text.chars().filter(|one| !matches!(one, ',' | '(' | ')' | '\u{a0}' | ' ')).collect();
    let digits = text.find(|one: char| !one.is_ascii_digit() && one != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "ms" => 1.0,
        "k" | "s" => 1e3,
        "min" => 60e3,
        "M" => 1e6,
        _ => return false,
    };
    let Ok(shown) = number.parse::<f64>() else { return false };
    let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let last_digit = factor / 10_f64.powi(i32::try_from(decimals).unwrap());
    (shown * factor - value).abs() < last_digit
}

/// One of the rows says all of these; also where nobody was asked.
fn one_says(rows: Option<Vec<Vec<String>>>, values: &[f64]) -> bool {
    let says_all = |row: &Vec<String>| {
        row.len() == values.len() && row.iter().zip(values).all(|(cell, value)| says(cell, *value))
    };
    rows.is_none_or(|rows| rows.iter().any(says_all))
}

/// The number in front of a word: of `3 lines in all, 2 sampled` that of `sampled` is `2`.
fn before<'a>(text: &'a str, word: &str) -> &'a str {
    let (head, _) = text.split_once(word).unwrap_or_default();
    head.trim_end().rsplit([' ', ';']).next().unwrap_or_default()
}

/// The shop with the fault, asked until that is found; then, at rest: everybody until all agree.
fn agree(
    (fault, code): (&str, &str),
    (columns, rows): (u16, u16),
    is_clear: impl Fn(&Value) -> bool,
    is_same: impl Fn(&mut Told) -> bool,
) {
    let Some(database) = Database::start(50) else { return };
    let shop = Shop::open(&database, Some(fault));
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(profile.path()).unwrap();
    if let Some(browser) = &mut browser {
        browser.open(&format!("http://127.0.0.1:{}/", shop.server.admin_port()), DESK).unwrap();
    }
    let top = shop.server.in_terminal(&["top"], columns, rows);
    let page = browser.map(|browser| (browser, profile));
    let mut told = Told { figures: Value::Null, status: Value::Null, metrics: String::new(), page, top };
    shop.asked_meanwhile(|| {
        until(&format!("{code} is found"), || {
            let findings = shop.findings();
            let found = findings["findings"].as_array()?.iter().find(|one| one["code"] == code)?;
            // What was seen for a moment only is soon not worth a word.
            // Nor by the figures of the last seconds: those of all the time are what the others say.
            let is_of_all = found["seconds"] == findings["seconds"];
            (findings["too_little"].is_null() && is_of_all && is_clear(&found["figures"])).then_some(())
        });
    });
    let what = until("doctor, status, metrics, page and top say the same figures", || {
        let found = doctor(&shop, code)?;
        told.figures = found["figures"].clone();
        told.status = shop.server.status();
        told.metrics = shop.server.admin("/metrics").text();
        is_same(&mut told).then(|| found["what"].as_str().unwrap().to_owned())
    });
    until("the finding is on the page and in top", || told.list_it(&what).then_some(()));
    if let Some((browser, _)) = &told.page {
        assert_eq!(browser.problems(), <[String; 0]>::default());
    }
}

/// What `plimsoll doctor` says of it.
fn doctor(shop: &Shop, code: &str) -> Option<Value> {
    let said = shop.server.plimsoll(&["doctor", "--json"]);
    let all: Value = serde_json::from_slice(&said.stdout).unwrap();
    all["findings"].as_array()?.iter().find(|one| one["code"] == code).cloned()
}

/// Each of the figures is that of the status.
fn are_those_of(figures: &Value, of_status: &Value, names: &[&str]) -> bool {
    names.iter().all(|name| figures[name].as_f64() == of_status[name].as_f64())
}

#[test]
fn a_stall_has_the_same_figures_everywhere() {
    agree(
        ("event_loop", "stall"),
        (80, 24),
        |_| true,
        |told| {
            let groups = told.status["incidents"]["groups"].as_array().unwrap();
            let names = ["count", "total_ms", "worst_ms", "waited", "rescued", "cost_ms"];
            let Some(group) = groups.iter().find(|group| are_those_of(&told.figures, group, &names)) else {
                return false;
            };
            let of_kind = groups.iter().filter(|one| one["kind"] == group["kind"]);
            let count: f64 = of_kind.map(|one| one["count"].as_f64().unwrap()).sum();
            let kind = format!("kind={}", group["kind"]);
            let figures = ["total_ms", "count", "worst_ms", "waited"].map(|name| told.figure(name));
            told.sum("plimsoll_event_loop_stalls_total", &[&kind]) == count
                && one_says(told.on_page("t-groups", &["Stood still", "Times", "Worst", "Waited"]), &figures)
                && one_says(Some(told.on_top("7", &["TOTAL", "TIMES", "WORST", "WAITED"])), &figures)
        },
    );
}

#[test]
fn a_queue_for_connections_has_the_same_figures_everywhere() {
    agree(
        ("pools", "pool_too_small"),
        (80, 24),
        |_| true,
        |told| {
            let pool = told.status["pools"][0].clone();
            let label = format!("db_client_connection_pool_name={}", pool["name"]);
            let of = |name: &str| Some(told.sum(name, &[&label]));
            let is_counted = are_those_of(&told.figures, &pool, &["asked", "waited_us", "max", "waiting"])
                && of("db_client_connection_max") == pool["max"].as_f64()
                && of("db_client_connection_wait_time_seconds_count") == pool["got"].as_f64();
            let figures = [told.figure("waiting"), told.figure("waited_us") / 1000.0, told.figure("gave_up")];
            let size = format!("{} of {}", pool["in_use"], pool["max"]);
            is_counted
                && one_says(told.on_page("t-pools", &["Waiting", "Waited", "Gave up"]), &figures)
                && one_says(Some(told.on_top("5", &["WAITING", "WAITED", "GAVE UP"])), &figures)
                && told.on_page("t-pools", &["In use"]).is_none_or(|rows| rows[0][0] == size)
                && told.on_top("5", &["IN USE"])[0][0].ends_with(&size)
        },
    );
}

#[test]
fn a_fan_out_has_the_same_figures_everywhere() {
    agree(
        ("downstream", "fan_out"),
        (80, 24),
        |_| true,
        |told| {
            let one = told.status["downstreams"][0].clone();
            let label = format!("origin={}", one["origin"]);
            let names = ["calls", "fan_out_max", "would_queue", "would_wait_ms"];
            let figures = ["calls", "fan_out_max", "would_queue"].map(|name| told.figure(name));
            are_those_of(&told.figures, &one, &names)
                && Some(told.sum("plimsoll_downstream_fan_out_max", &[&label])) == one["fan_out_max"].as_f64()
                && one_says(told.on_page("t-downstreams", &["Calls", "Widest", "Queued"]), &figures)
                && one_says(Some(told.on_top("4", &["CALLS", "WIDEST", "QUEUED"])), &figures)
        },
    );
}

#[test]
fn a_log_flood_has_the_same_figures_everywhere() {
    agree(
        ("logs", "log_blocks"),
        (120, 40),
        |_| true,
        |told| {
            let workers = told.status["workers"].as_array().unwrap().iter();
            let lines: f64 = workers.map(|one| one["logs"]["lines"].as_f64().unwrap()).sum();
            let kinds = ["sampled", "capped"];
            let left_out: f64 = kinds.map(|kind| told.status["logs"][kind].as_f64().unwrap()).iter().sum();
            let metric: f64 = kinds
                .map(|verdict| told.sum("plimsoll_logs_lines_total", &[&format!("outcome=\"{verdict}\"")]))
                .iter()
                .sum();
            let both =
                |text: &str| says(before(text, "in all"), lines) && says(before(text, "sampled"), left_out);
            (told.figure("lines"), told.figure("left_out"), metric) == (lines, left_out, left_out)
                && told.in_page("#lines").is_none_or(|text| both(&text.replace(" lines in all", " in all")))
                && both(&told.line_of_top("logs "))
        },
    );
}

#[test]
fn collections_have_the_same_figures_everywhere() {
    // Not at the edge of the 10 % from which on it is one, nor of what is worth a word in the half minute that it is looked at.
    let is_clear = |figures: &Value| {
        figures["gc_per_mille"].as_f64() >= Some(110.0) && figures["gc_total_ms"].as_f64() >= Some(1000.0)
    };
    agree(("memory", "gc_pressure"), (120, 40), is_clear, |told| {
        let workers = told.status["workers"].as_array().unwrap().iter();
        let kinds = workers.filter_map(|worker| worker["memory"]["gc"].as_array()).flatten();
        let count: f64 = kinds.map(|kind| kind["count"].as_f64().unwrap()).sum();
        let ms = told.figure("gc_total_ms");
        let both = |text: &str| {
            let took = text.split_once(", ").and_then(|(_, took)| took.split_once(" together"));
            says(before(text, "collections"), count) && took.is_some_and(|(took, _)| says(took, ms))
        };
        (told.figure("gc_count"), told.sum("v8js_gc_duration_seconds_count", &[])) == (count, count)
            && told.in_page("#collections").is_none_or(|text| both(&text))
            && both(&told.line_of_top("memory "))
    });
}

#[test]
fn a_number_is_said_by_the_digits_that_are_shown() {
    let table = [
        ("12", 12.0, true),
        ("12", 13.0, false),
        ("1,234", 1234.0, true),
        ("(2.4k)", 2412.0, true),
        ("(2.4k)", 2512.0, false),
        ("4.2\u{a0}s", 4230.0, true),
        ("4.2s", 4310.0, false),
        ("1.5min", 90_100.0, true),
        ("-", 0.0, false),
        ("3 lines", 3.0, false),
    ];
    for (text, value, expected) in table {
        assert_eq!(says(text, value), expected, "{text} {value}");
    }
    let head = "POOL            IN USE NEEDED↓ WAIT P99";
    let row = "pg@db:5432/… 3 of 10     1.2k      0ms";
    let cells = ["NEEDED", "WAIT P99"].map(|column| cut(row, at(head, column).unwrap()));
    assert_eq!(cells, ["1.2k", "0ms"]);
    assert_eq!(at("CALLS/S CALLS", "CALLS"), Some((7, 13)));
}
