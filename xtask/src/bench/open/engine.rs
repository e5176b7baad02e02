//! The loop that sends what is due and receives what comes, on one thread.
//!
//! It shares the CPUs with those that it loads, so it must cost little beside them: one call to send and one to receive
//! per request, and one wait for whatever comes first of the next time and the next answer. It waits with a timer in
//! nanoseconds, as a request that is sent a millisecond late would be measured as if the server had taken it. Where many
//! requests come, being woken for each of them costs more than all the rest: there it looks every fifth of a
//! millisecond, and what came meanwhile is seen so much later.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::connection::{Connection, Request, Step};
use super::{Load, Outcome, Record};
use crate::bench::wait;

const EVENTS: usize = 256;
/// From so many requests a second on, what comes is gathered.
const MANY_PER_SECOND: f64 = 4000.0;
const GATHER: Duration = Duration::from_micros(200);
/// No connection has this number.
const TIMER: u64 = u64::MAX;

pub(crate) struct Engine<'a> {
    load: &'a Load,
    begun: Instant,
    epoll: OwnedFd,
    timer: OwnedFd,
    /// Numbers are not used again, so that an event never meets another connection than its own.
    connections: Vec<Option<Box<Connection>>>,
    open: usize,
    /// The one that has been idle for the longest time is used first, so that all are used alike, as those of many clients
    /// are; the one used last would keep most requests on few connections, and so on few threads of a server.
    idle: VecDeque<usize>,
    /// Due, and no connection may be opened for them.
    waiting: VecDeque<Request>,
    /// When the patience for a request of a connection ends, in that order.
    patience: VecDeque<(Instant, usize, u64)>,
    records: Vec<Record>,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(load: &'a Load, begun: Instant) -> anyhow::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(Self {
            load,
            begun,
            epoll,
            timer,
            connections: Vec::new(),
            open: 0,
            idle: VecDeque::new(),
            waiting: VecDeque::new(),
            patience: VecDeque::new(),
            records: Vec::new(),
        })
    }

    pub(crate) fn run(mut self, schedule: &[(usize, Duration)]) -> anyhow::Result<Vec<Record>> {
        self.records.reserve(schedule.len());
        let mut due = (0..).zip(schedule).peekable();
        let mut events = Vec::with_capacity(EVENTS);
        let rate: f64 = self.load.streams.iter().map(|stream| stream.per_second).sum();
        while self.records.len() < schedule.len() {
            while let Some((id, (stream, at))) = due.next_if(|(_, (_, at))| self.begun.elapsed() >= *at) {
                self.begin(id, *stream, *at);
            }
            self.give_up();
            events.clear();
            if rate >= MANY_PER_SECOND {
                wait::pause(GATHER);
                epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&Timespec::default()))?;
            } else {
                self.set_timer(due.peek().map(|(_, (_, at))| self.begun + *at))?;
                epoll::wait(&self.epoll, spare_capacity(&mut events), None)?;
            }
            for event in &events {
                let number = event.data;
                if number.u64() != TIMER {
                    self.advance(usize::try_from(number.u64())?)?;
                }
            }
            self.begin_waiting();
        }
        Ok(self.records)
    }

    fn begin(&mut self, id: u64, stream: usize, due: Duration) {
        let fresh = self.load.streams.get(stream).map_or(0, |what| what.fresh_percent);
        self.start(Request { stream, id, due, begun: Instant::now(), is_fresh: id % 100 < fresh });
    }

    fn start(&mut self, request: Request) {
        let Some(what) = self.load.streams.get(request.stream) else { return };
        let bytes = request.bytes(what);
        let until = self.begun + request.due + self.load.patience;
        if let Some(number) = self.take_idle(request) {
            self.patience.push_back((until, number, request.id));
            let sent = self.connection(number).map(|connection| connection.send(request, &bytes));
            return self.take_step(number, sent.unwrap_or(Step::Waits));
        }
        if self.open >= self.load.connections_max {
            match self.idle.pop_front() {
                // A fresh one is wanted: an idle one goes for it.
                Some(number) => self.close(number),
                None => return self.waiting.push_back(request),
            }
        }
        let Some(connection) = Connection::open(self.load.port, request, bytes) else {
            return self.record(request, Outcome::Refused);
        };
        let number = self.connections.len();
        let event = EventData::new_u64(number as u64);
        if epoll::add(&self.epoll, &connection.stream, event, EventFlags::OUT).is_err() {
            return self.record(request, Outcome::Refused);
        }
        self.patience.push_back((until, number, request.id));
        self.connections.push(Some(Box::new(connection)));
        self.open += 1;
    }

    fn take_idle(&mut self, request: Request) -> Option<usize> {
        if request.is_fresh {
            return None;
        }
        loop {
            let number = self.idle.pop_front()?;
            if self.connection(number).is_some_and(|connection| connection.is_usable()) {
                return Some(number);
            }
            self.close(number);
        }
    }

    /// Something has come for a connection.
    fn advance(&mut self, number: usize) -> anyhow::Result<()> {
        let Some(connection) = self.connections.get_mut(number).and_then(Option::as_mut) else {
            return Ok(());
        };
        let step = if connection.is_connecting() {
            epoll::modify(
                &self.epoll,
                &connection.stream,
                EventData::new_u64(number as u64),
                EventFlags::IN,
            )?;
            connection.connected()
        } else if connection.request.is_some() {
            connection.receive()
        } else {
            // What comes on an idle connection is its end.
            self.close(number);
            return Ok(());
        };
        self.take_step(number, step);
        Ok(())
    }

    fn take_step(&mut self, number: usize, step: Step) {
        let (outcome, is_kept) = match step {
            Step::Waits => return,
            Step::Kept(outcome) => (outcome, true),
            Step::Over(outcome) => (outcome, false),
        };
        let request = self.connection(number).and_then(|connection| connection.request.take());
        let Some(request) = request else { return };
        self.record(request, outcome);
        if is_kept && !request.is_fresh {
            self.idle.push_back(number);
        } else {
            self.close(number);
        }
    }

    /// Those whose turn has come now that a connection is free.
    fn begin_waiting(&mut self) {
        while !self.waiting.is_empty() && (!self.idle.is_empty() || self.open < self.load.connections_max) {
            match self.waiting.pop_front() {
                Some(request) => self.start(request),
                None => return,
            }
        }
    }

    /// Clients that have waited for long enough go away.
    fn give_up(&mut self) {
        let now = Instant::now();
        while let Some(&(until, number, id)) = self.patience.front() {
            let request = self.connection(number).and_then(|connection| connection.request);
            let awaited = request.filter(|request| request.id == id);
            if awaited.is_some() && until > now {
                break;
            }
            self.patience.pop_front();
            if awaited.is_some() {
                self.take_step(number, Step::Over(Outcome::TimedOut));
            }
        }
        let patience = self.load.patience;
        while let Some(&request) = self.waiting.front().filter(|one| self.begun + one.due + patience <= now) {
            self.waiting.pop_front();
            self.record(request, Outcome::TimedOut);
        }
    }

    fn set_timer(&self, due: Option<Instant>) -> anyhow::Result<()> {
        let waiting = self.waiting.front().map(|request| self.begun + request.due + self.load.patience);
        let patience = self.patience.front().map(|(until, ..)| *until);
        let next = [due, patience, waiting].into_iter().flatten().min();
        let left = next.map_or(Duration::MAX, |next| next.saturating_duration_since(Instant::now()));
        // Nothing at all would switch the timer off.
        let left = left.clamp(Duration::from_nanos(1), self.load.patience);
        let value = Timespec::try_from(left)?;
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    fn record(&mut self, request: Request, outcome: Outcome) {
        let due = self.begun + request.due;
        self.records.push(Record {
            stream: request.stream,
            id: request.id,
            due: request.due,
            latency: due.elapsed(),
            late: request.begun.saturating_duration_since(due),
            outcome,
        });
    }

    fn connection(&mut self, number: usize) -> Option<&mut Connection> {
        self.connections.get_mut(number)?.as_deref_mut()
    }

    /// A closed socket leaves the epoll set by itself.
    fn close(&mut self, number: usize) {
        if self.connections.get_mut(number).and_then(Option::take).is_some() {
            self.open -= 1;
        }
    }
}
