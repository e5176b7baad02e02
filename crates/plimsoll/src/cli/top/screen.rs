//! What stands where. It is made for 80 columns and 24 lines, uses what there is more, and leaves out from the end what does
//! not fit.

use std::cell::Cell;
use std::time::Instant;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};

use super::cells::{Tone, short};
use super::lists::{self, List};
use super::state::{Order, State, View};
use super::summary;
use super::wrap;
use crate::cli::doctor;
use crate::observe::units;

/// Below this nothing can be read.
const WIDTH_MIN: u16 = 30;
const HEIGHT_MIN: u16 = 6;
/// In the overview, where there are more lines than it needs.
const WORKERS_SHOWN: usize = 8;
const HELP: [&str; 15] = [
    "1-8, Tab      what is shown",
    "s             sort by the next column",
    "S             turn the order round",
    "arrows, j k   scroll; PgUp PgDn g G",
    "p, space      pause and go on",
    "r             reload the workers (asks first)",
    "Ctrl-L        draw the screen anew",
    "q, Ctrl-C     end",
    "",
    "LOOP  share of a second in which the loop did not wait; of a route: for how long a request keeps it",
    "LATE  the longest that a request waited to be begun, in the last two seconds",
    "STALLS  for how long the loop has stood still since the start",
    "ALLOC  what a request allocates in the heap",
    "WIDEST  the most calls that one request made at the same time",
    "OPEN  the circuit breaker is open; numbers in brackets: a limit that is only computed, and its queue",
];

pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer, now: Instant) {
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let (width, height) = (area.width, area.height);
        let mut page = Page { area, buffer, line: 0 };
        page.put(&format!("{width}x{height} is too small"), plain());
        page.put("80x24 shows all", plain());
        return;
    }
    let last = Rect { y: area.bottom() - 1, height: 1, ..area };
    let mut page = Page { area: Rect { height: area.height - 1, ..area }, buffer, line: 0 };
    head(&mut page, state, now);
    if state.helps {
        page.put("", plain());
        let width = usize::from(page.area.width);
        HELP.iter().flat_map(|line| wrap::wrap(line, width)).for_each(|line| page.put(&line, plain()));
    } else if state.view == View::Overview {
        overview(&mut page, state);
    } else if state.view == View::Findings {
        findings(&mut page, state);
    } else {
        view(&mut page, state);
    }
    let mut foot = Page { area: last, buffer: page.buffer, line: 0 };
    let (text, style) = foot_line(state);
    foot.put(&text, style);
}

/// Lines from the top, as long as there is room.
struct Page<'a> {
    area: Rect,
    buffer: &'a mut Buffer,
    line: u16,
}

impl Page<'_> {
    fn put(&mut self, text: &str, style: Style) {
        if self.line >= self.area.height {
            return;
        }
        let y = self.area.y + self.line;
        // Control characters are left out by the buffer: a name cannot move the cursor.
        self.buffer.set_stringn(self.area.x, y, text, usize::from(self.area.width), style);
        self.line += 1;
    }

    fn room(&self) -> usize {
        usize::from(self.area.height.saturating_sub(self.line))
    }
}

fn plain() -> Style {
    Style::new()
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn toned(tone: Tone) -> Style {
    match tone {
        Tone::Plain => plain(),
        Tone::Warn => Style::new().fg(Color::Yellow),
        // Also without colour it must be seen.
        Tone::Bad => bold().fg(Color::Red),
    }
}

fn head(page: &mut Page<'_>, state: &State, now: Instant) {
    let (model, status) = (&state.model, state.model.status());
    let listeners: Vec<String> = status.listeners.iter().map(|each| each.address.to_string()).collect();
    let reload = status.reload.map_or_else(String::new, |reload| {
        format!(", reloading: {} of {} renewed", reload.renewed, reload.of)
    });
    let listens = if listeners.is_empty() { "not listening yet".to_owned() } else { listeners.join(", ") };
    let title = format!("{}: {}{reload}  {listens}", status.name, status.state.as_str());
    match &state.lost {
        Some(error) => {
            let age = model.seen_at().map_or(0, |at| now.saturating_duration_since(at).as_secs());
            let text = format!("{}: lost, as it was {} ago; {error}", status.name, units::age(age));
            page.put(&text, toned(Tone::Bad));
        }
        None if state.is_paused => page.put(&format!("{title}  PAUSED"), bold()),
        None => page.put(&title, bold()),
    }
    let rate = |of: fn(&crate::observe::status::Requests) -> u64| {
        short(model.rate(|status| Some(of(&status.requests))).unwrap_or(0.0))
    };
    let in_flight: u64 = status.processes().map(|worker| u64::from(worker.in_flight)).sum();
    page.put(
        &format!(
            "{} requests/s, {in_flight} in flight, {}/s failed, {}/s rescued, {}/s queued; {} in all",
            rate(|requests| requests.total),
            rate(|requests| requests.failed),
            rate(|requests| requests.rescued),
            rate(|requests| requests.queued + requests.queued_in_lane),
            status.requests.total
        ),
        plain(),
    );
    page.put(&tabs(state.view), Style::new().add_modifier(Modifier::DIM));
}

/// ` 1 overview [2 workers] 3 routes `, in no more than 80 columns.
fn tabs(chosen: View) -> String {
    let mut line = String::new();
    let mut before = false;
    for (number, view) in (1..).zip(View::ALL) {
        let is_chosen = view == chosen;
        line += if is_chosen {
            "["
        } else if before {
            "]"
        } else {
            " "
        };
        line += &format!("{number} {}", view.name());
        before = is_chosen;
    }
    line + if before { "]" } else { "" }
}

fn overview(page: &mut Page<'_>, state: &State) {
    let summary = summary::lines(&state.model);
    let workers = state.list();
    // A title, a head and a line at least for the routes as well.
    let room = page.room().saturating_sub(summary.len() + 4);
    let shown = workers.rows.len().min(WORKERS_SHOWN.max(room / 2)).min(room);
    table(page, &workers, state.order(&workers), None, shown + 1);
    page.put("", plain());
    let routes = lists::routes(&state.model);
    let order = routes.order.map(|column| Order { column, falls: true });
    let room = page.room().saturating_sub(summary.len() + 1);
    table(page, &routes, order, Some(&state.scroll), room);
    page.put("", plain());
    for (line, tone) in summary {
        page.put(&line, toned(tone));
    }
}

fn view(page: &mut Page<'_>, state: &State) {
    page.put("", plain());
    let list = state.list();
    if state.view != View::Incidents {
        let room = page.room();
        table(page, &list, state.order(&list), Some(&state.scroll), room);
        return;
    }
    let room = page.room();
    let groups = (list.rows.len() + 1).min(room.div_ceil(2));
    table(page, &list, state.order(&list), Some(&state.scroll), groups);
    page.put("", plain());
    let room = page.room();
    table(page, &lists::recent(&state.model), None, None, room);
}

/// What the doctor says, in its words.
fn findings(page: &mut Page<'_>, state: &State) {
    page.put("", plain());
    let text = state.model.findings().map_or_else(|| "not known yet\n".to_owned(), doctor::render);
    let width = usize::from(page.area.width);
    let lines: Vec<String> = text.lines().flat_map(|line| wrap::wrap(line, width)).collect();
    let room = page.room();
    let first = state.scroll.get().min(lines.len().saturating_sub(room));
    state.scroll.set(first);
    let more = lines.len().saturating_sub(first + room);
    let shown = if more > 0 { room.saturating_sub(1) } else { room };
    for line in lines.iter().skip(first).take(shown) {
        page.put(line, if line.starts_with(|first: char| first.is_ascii_digit()) { bold() } else { plain() });
    }
    if more > 0 {
        page.put(&format!("… {} more lines", more + 1), Style::new().add_modifier(Modifier::DIM));
    }
}

/// A line of titles, and rows below it; `room` lines together. The last one says how many more there are.
fn table(page: &mut Page<'_>, list: &List, order: Option<Order>, scroll: Option<&Cell<usize>>, room: usize) {
    let mut rows: Vec<_> = list.rows.iter().collect();
    if let Some(order) = order {
        let of = |row: &&Vec<super::cells::Cell>| row.get(order.column).cloned();
        rows.sort_by(|one, other| match (of(one), of(other)) {
            (Some(one), Some(other)) if order.falls => other.compare(&one),
            (Some(one), Some(other)) => one.compare(&other),
            _ => std::cmp::Ordering::Equal,
        });
    }
    if rows.is_empty() {
        if room > 0 {
            page.put(&format!("{}: {}", list.title, list.empty), plain());
        }
        return;
    }
    let fits = room.saturating_sub(1);
    let first = scroll.map_or(0, Cell::get).min(rows.len().saturating_sub(fits));
    if let Some(scroll) = scroll {
        scroll.set(first);
    }
    let (shown, more) = match rows.len() - first {
        left if left > fits => (fits.saturating_sub(1), left + 1 - fits),
        left => (left, 0),
    };
    let shown: Vec<_> = rows.into_iter().skip(first).take(shown).collect();
    let widths = widths(list, &shown, usize::from(page.area.width));
    line(
        page,
        &widths,
        |column| {
            let title = list.columns.get(column).map_or("", |column| column.title);
            let mark = match order {
                Some(Order { column: by, falls }) if by == column => {
                    if falls {
                        "↓"
                    } else {
                        "↑"
                    }
                }
                _ => "",
            };
            (format!("{title}{mark}"), Style::new().add_modifier(Modifier::REVERSED))
        },
        list,
    );
    for row in shown {
        line(
            page,
            &widths,
            |column| {
                row.get(column)
                    .map_or_else(|| (String::new(), plain()), |cell| (cell.text.clone(), toned(cell.tone)))
            },
            list,
        );
    }
    if more > 0 && fits > 0 {
        page.put(&format!("… {more} more"), Style::new().add_modifier(Modifier::DIM));
    }
}

fn line(page: &mut Page<'_>, widths: &[usize], cell: impl Fn(usize) -> (String, Style), list: &List) {
    if page.line >= page.area.height {
        return;
    }
    let y = page.area.y + page.line;
    let mut x = usize::from(page.area.x);
    for (column, width) in widths.iter().copied().enumerate() {
        let (text, style) = cell(column);
        let text = cut(&text, width);
        let is_number = list.columns.get(column).is_some_and(|column| column.is_number);
        let text = if is_number { format!("{text:>width$}") } else { format!("{text:<width$}") };
        let left = usize::from(page.area.right()).saturating_sub(x);
        if let Ok(place) = u16::try_from(x)
            && left > 0
        {
            page.buffer.set_stringn(place, y, &text, left, style);
        }
        x += width + 1;
    }
    page.line += 1;
}

/// As wide as what they hold; where that is too wide, the widest texts give way.
fn widths(list: &List, rows: &[&Vec<super::cells::Cell>], width: usize) -> Vec<usize> {
    const TEXT_MIN: usize = 12;
    let mut widths: Vec<usize> = list
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.text.chars().count());
            // Room for the mark of the order.
            cells.max().unwrap_or(0).max(column.title.chars().count() + 1)
        })
        .collect();
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + widths.len().saturating_sub(1);
    while total(&widths) > width {
        let texts = widths
            .iter()
            .enumerate()
            .filter(|(place, _)| list.columns.get(*place).is_some_and(|column| !column.is_number));
        let Some((widest, size)) = texts.max_by_key(|(_, size)| **size).map(|(place, size)| (place, *size))
        else {
            break;
        };
        if size <= TEXT_MIN {
            break;
        }
        let over = total(&widths) - width;
        if let Some(place) = widths.get_mut(widest) {
            *place = size.saturating_sub(over).max(TEXT_MIN);
        }
    }
    // Texts that stand last may take what is left.
    let left = width.saturating_sub(total(&widths));
    if let Some(first) = list.columns.iter().position(|column| !column.is_number)
        && let Some(place) = widths.get_mut(first)
    {
        *place += left;
    }
    widths
}

fn cut(text: &str, width: usize) -> String {
    // A control character has no width on the screen, and would push the rest of its row.
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    if text.chars().count() <= width {
        return text;
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

fn foot_line(state: &State) -> (String, Style) {
    if state.confirms {
        let name = &state.model.status().name;
        return (format!("reload the workers of {name}? y or n"), bold().add_modifier(Modifier::REVERSED));
    }
    let keys = "q end  ? help  1-8 views  s sort  p pause  r reload";
    match &state.said {
        Some(said) => (said.clone(), bold()),
        None => (keys.to_owned(), Style::new().add_modifier(Modifier::DIM)),
    }
}
