//! What is chosen: the view, the order, the place in the list; and what the keys make of it.

use std::cell::Cell;
use std::time::Instant;

use super::keys::Key;
use super::lists::{self, List};
use super::model::Model;
use crate::observe::findings::Findings;
use crate::observe::status::Status;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Overview,
    Workers,
    Routes,
    Downstreams,
    Pools,
    Logs,
    Incidents,
    Findings,
}

impl View {
    pub(super) const ALL: [Self; 8] = [
        Self::Overview,
        Self::Workers,
        Self::Routes,
        Self::Downstreams,
        Self::Pools,
        Self::Logs,
        Self::Incidents,
        Self::Findings,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Workers => "workers",
            Self::Routes => "routes",
            Self::Downstreams => "calls",
            Self::Pools => "pools",
            Self::Logs => "logs",
            Self::Incidents => "incidents",
            Self::Findings => "findings",
        }
    }
}

/// What a key asks for beyond the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    None,
    Redraw,
    Reload,
    End,
}

/// By which column, and whether the greatest is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) column: usize,
    pub(super) falls: bool,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) model: Model,
    pub(super) view: View,
    /// By view, where it was chosen.
    orders: [Option<Order>; View::ALL.len()],
    /// The first row that is shown; whoever draws knows how far that can go.
    pub(super) scroll: Cell<usize>,
    pub(super) is_paused: bool,
    pub(super) helps: bool,
    /// It is asked whether to reload.
    pub(super) confirms: bool,
    /// What is said at the end of the screen.
    pub(super) said: Option<String>,
    is_reloading: bool,
    /// Why the instance cannot be asked.
    pub(super) lost: Option<String>,
}

impl State {
    pub(super) fn new(first: Status, now: Instant) -> Self {
        Self {
            model: Model::new(first, now),
            view: View::Overview,
            orders: [None; View::ALL.len()],
            scroll: Cell::new(0),
            is_paused: false,
            helps: false,
            confirms: false,
            said: None,
            is_reloading: false,
            lost: None,
        }
    }

    pub(super) fn hear(&mut self, status: Result<Box<Status>, String>, now: Instant) {
        match status {
            Ok(status) => {
                self.lost = None;
                if !self.is_paused {
                    self.model.see(*status, now);
                }
            }
            Err(error) => self.lost = Some(error),
        }
    }

    pub(super) fn hear_findings(&mut self, findings: Findings) {
        if !self.is_paused {
            self.model.judge(findings);
        }
    }

    pub(super) fn hear_reload(&mut self, line: String, is_over: bool) {
        self.said = Some(line);
        self.is_reloading &= !is_over;
    }

    pub(super) fn press(&mut self, key: Key) -> Wish {
        if self.confirms {
            self.confirms = false;
            let agrees = matches!(key, Key::Char('y' | 'Y'));
            self.is_reloading = agrees;
            self.said = Some(if agrees { "reloading…" } else { "not reloaded" }.to_owned());
            return if agrees { Wish::Reload } else { Wish::None };
        }
        let helped = std::mem::take(&mut self.helps);
        match key {
            Key::Control('c' | 'd') | Key::Char('q') => return Wish::End,
            Key::Escape if helped => {}
            Key::Escape => return Wish::End,
            Key::Char('?' | 'h') => self.helps = !helped,
            Key::Char('p' | ' ') => self.is_paused = !self.is_paused,
            Key::Char('r') if self.is_reloading => self.said = Some("a reload is under way".to_owned()),
            Key::Char('r') => self.confirms = true,
            Key::Char('\t') => self.step_view(1),
            Key::Char(digit @ '1'..='8') => {
                let place = digit.to_digit(10).map_or(0, |digit| digit as usize).saturating_sub(1);
                self.choose(View::ALL.get(place).copied().unwrap_or(self.view));
            }
            Key::Char('s') => self.sort_by_next(),
            Key::Char('S') => self.turn_order(),
            Key::Down | Key::Char('j') => self.step(1),
            Key::Up | Key::Char('k') => self.step(-1),
            Key::PageDown => self.step(10),
            Key::PageUp => self.step(-10),
            Key::Home | Key::Char('g') => self.scroll.set(0),
            Key::End | Key::Char('G') => self.scroll.set(usize::MAX),
            Key::Control('l') => return Wish::Redraw,
            Key::Enter | Key::Char(_) | Key::Control(_) => {}
        }
        Wish::None
    }

    fn step(&self, rows: isize) {
        self.scroll.set(self.scroll.get().saturating_add_signed(rows));
    }

    fn step_view(&mut self, step: usize) {
        let next = (self.view as usize + step) % View::ALL.len();
        self.choose(View::ALL.get(next).copied().unwrap_or(self.view));
    }

    fn choose(&mut self, view: View) {
        self.view = view;
        self.scroll.set(0);
    }

    /// The list that the keys act on.
    pub(super) fn list(&self) -> List {
        match self.view {
            View::Overview | View::Workers => lists::workers(&self.model),
            View::Routes => lists::routes(&self.model),
            View::Downstreams => lists::downstreams(&self.model),
            View::Pools => lists::pools(&self.model),
            View::Logs => lists::sinks(&self.model),
            // The findings are no list, and keep their order.
            View::Incidents | View::Findings => lists::groups(&self.model),
        }
    }

    /// How a list is sorted that this view shows first.
    pub(super) fn order(&self, list: &List) -> Option<Order> {
        let chosen = self.orders.get(self.view as usize).copied().flatten();
        chosen.or_else(|| list.order.map(|column| Order { column, falls: true }))
    }

    fn sort_by_next(&mut self) {
        let list = self.list();
        let column = self.order(&list).map_or(0, |order| (order.column + 1) % list.columns.len().max(1));
        let falls = list.columns.get(column).is_some_and(|column| column.is_number);
        self.set_order(Order { column, falls });
    }

    fn turn_order(&mut self) {
        let order = self.order(&self.list()).unwrap_or(Order { column: 0, falls: false });
        self.set_order(Order { falls: !order.falls, ..order });
    }

    fn set_order(&mut self, order: Order) {
        if let Some(place) = self.orders.get_mut(self.view as usize) {
            *place = Some(order);
        }
    }
}
