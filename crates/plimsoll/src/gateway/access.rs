//! The access log as one gateway thread writes it.
//!
//! Where only errors are wanted, a request that goes well costs one comparison: its head is not kept. The heads are
//! copied at the last moment, when the first flight is let go of, and only if the request will have a line, or may
//! have one yet. Where all are wanted, the copies go into buffers that the thread uses again and again.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::context::Ids;
use super::failure::Failure;
use super::http1::request::Request;
use crate::concerns::logs::access::{Entry, Times, Wanted};
use crate::concerns::logs::record::Level;
use crate::observe;
use crate::observe::http::Method;
use crate::observe::logs::{AccessLog, Lines};

/// More of a head is not kept: ids beyond it are not found.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Handed over at once: some fifty lines.
const LINES_BYTES: usize = 32 * 1024;
/// A line that comes after so long a pause does not wait for others.
const PAUSE: Duration = Duration::from_millis(5);
/// Kept for the requests to come.
const SPARE_MAX: usize = 64;
/// What `error` says of an answer that broke off.
const CUT: &str = "cut";

#[derive(Debug)]
pub(super) struct Access {
    log: AccessLog,
    /// The least status of an answer that has a line for that alone.
    from: u16,
    lines: RefCell<Lines>,
    handed_over: Cell<Option<Instant>>,
    #[expect(clippy::vec_box, reason = "a connection has room for a pointer, and takes it from here")]
    spare: RefCell<Vec<Box<Heads>>>,
}

/// What is kept of a request until it is over.
#[derive(Debug, Default)]
pub(super) struct Heads {
    request: Vec<u8>,
    answer: Vec<u8>,
    first_byte: Option<Instant>,
}

/// How a request went on its way.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) started: Instant,
    pub(super) ended: Instant,
    /// When it was sent to the last worker, which one that is, and how long it lay there.
    pub(super) sent: Instant,
    pub(super) worker: Option<u16>,
    pub(super) claim: Duration,
    pub(super) rescued: u32,
    pub(super) retried: u32,
    pub(super) bytes: u64,
    pub(super) broke: Option<Broke>,
    pub(super) first_byte: Option<Instant>,
    /// Which incarnation that worker is, and by which slot and word it knows the request.
    pub(super) incarnation: u32,
    pub(super) running: Option<(u16, u32)>,
    /// The event loop stood still in it.
    pub(super) is_stalled: bool,
    /// When it was moved to another worker, and why.
    pub(super) moves: Vec<(Instant, Move)>,
}

/// Why a request went to another worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Rescued,
    Retried,
}

/// Why a client did not get a whole answer of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broke {
    Failed(Failure),
    Cut,
}

impl Course {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            ended: started,
            sent: started,
            worker: None,
            claim: Duration::ZERO,
            rescued: 0,
            retried: 0,
            bytes: 0,
            broke: None,
            first_byte: None,
            incarnation: 0,
            running: None,
            is_stalled: false,
            moves: Vec::new(),
        }
    }

    pub(super) fn times(&self, first_byte: Option<Instant>) -> Times {
        let since = |at: Instant| at.saturating_duration_since(self.started);
        let (queue, total) = (since(self.sent), since(self.ended));
        let first_byte = first_byte.map(since);
        // It is seen a little late that a request has begun: no later than its answer.
        let claim = self.claim.min(first_byte.unwrap_or(total).saturating_sub(queue));
        Times { queue, claim, first_byte, total }
    }
}

impl Access {
    pub(super) fn new(log: AccessLog) -> Self {
        let from = match log.wanted() {
            Wanted::None => u16::MAX,
            Wanted::Errors => 500,
            Wanted::Sample | Wanted::All => 0,
        };
        Self { log, from, lines: RefCell::default(), handed_over: Cell::new(None), spare: RefCell::default() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.from < u16::MAX
    }

    /// Has an answer of that status a line, or may it get one because it can still break off?
    pub(super) fn keeps(&self, status: u16, is_whole: bool) -> bool {
        status >= self.from || (!is_whole && self.is_on())
    }

    /// Has a request that ended so a line?
    pub(super) fn wants(&self, status: u16, broke: Option<Broke>) -> bool {
        status >= self.from || (broke.is_some() && self.is_on())
    }

    /// Buffers for the heads of one request.
    pub(super) fn heads(&self) -> Box<Heads> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, mut heads: Box<Heads>) {
        heads.request.clear();
        heads.answer.clear();
        heads.first_byte = None;
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(heads);
        }
    }

    /// A request that is over.
    #[inline(never)]
    pub(super) fn note(
        &self,
        connection: &mut Connection,
        request: &Request,
        (status, route): (u16, Option<&str>),
        course: &Course,
    ) {
        let heads = self.heads_of(connection, request);
        let error = course.broke.map(Broke::word);
        let entry = Entry {
            second: "",
            milliseconds: 0,
            level: level(status, course.broke),
            head: &heads.request,
            answer: &heads.answer,
            client: client(connection),
            method: request.method.as_str(),
            route,
            status,
            error,
            bytes: course.bytes,
            times: course.times(heads.first_byte),
            worker: course.worker,
            rescued: course.rescued,
            retried: course.retried,
        };
        self.line(&entry, course.ended);
        self.give_back(heads);
    }

    /// What was kept of a request that is over; of one that is still here, now.
    pub(super) fn heads_of(&self, connection: &mut Connection, request: &Request) -> Box<Heads> {
        let mut heads = connection.heads.take().unwrap_or_else(|| self.heads());
        if heads.request.is_empty() && connection.has_head {
            let stands = connection.buffer.as_ref().map(|buffer| buffer.filled()).unwrap_or_default();
            let head = stands.get(..request.head_len.saturating_sub(2)).unwrap_or(stands);
            heads.keep_request(head, connection.ids.as_deref());
        }
        heads
    }

    /// What came was no request that could be served.
    pub(super) fn note_refused(&self, connection: &Connection, failure: Failure) {
        if !self.is_on() {
            return;
        }
        let stands = connection.buffer.as_ref().map(|buffer| buffer.filled()).unwrap_or_default();
        let entry = Entry {
            second: "",
            milliseconds: 0,
            level: level(failure.status(), Some(Broke::Failed(failure))),
            head: stands.get(..HEAD_BYTES_MAX).unwrap_or(stands),
            answer: b"",
            client: client(connection),
            method: Method::Other.as_str(),
            route: None,
            status: failure.status(),
            error: Some(failure.code()),
            bytes: 0,
            times: Times::default(),
            worker: None,
            rescued: 0,
            retried: 0,
        };
        self.line(&entry, Instant::now());
    }

    /// Of a request that has just ended, `now`.
    fn line(&self, entry: &Entry<'_>, now: Instant) {
        let mut lines = self.lines.borrow_mut();
        self.log.note(&mut lines, observe::now(), entry);
        let is_much = lines.bytes() >= LINES_BYTES;
        drop(lines);
        let is_rare = self.handed_over.get().is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_much || is_rare {
            self.handed_over.set(Some(now));
            self.hand_over();
        }
    }

    /// To be called now and then.
    pub(super) fn hand_over(&self) {
        self.log.hand_over(&mut self.lines.borrow_mut());
    }

    /// To be called when nothing may come for long.
    pub(super) fn hand_over_last(&self) {
        self.log.hand_over_last(&mut self.lines.borrow_mut());
    }
}

impl Heads {
    /// The head without the empty line, and what the request got beside it. What it got comes first, behind the line of
    /// the request: that is what the app knows it by.
    pub(super) fn keep_request(&mut self, head: &[u8], ids: Option<&Ids>) {
        if !self.request.is_empty() {
            return;
        }
        let head = head.get(..HEAD_BYTES_MAX).unwrap_or(head);
        let line = memchr::memchr(b'\n', head).map_or(head.len(), |end| end + 1);
        let (line, headers) = head.split_at(line);
        self.request.extend_from_slice(line);
        self.request.extend_from_slice(ids.map(Ids::lines).unwrap_or_default());
        self.request.extend_from_slice(headers);
    }

    pub(super) fn request(&self) -> &[u8] {
        &self.request
    }

    pub(super) fn keep_answer(&mut self, head: &[u8], at: Instant) {
        self.answer.extend_from_slice(head.get(..HEAD_BYTES_MAX).unwrap_or(head));
        self.first_byte = Some(at);
    }
}

impl Broke {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Failed(failure) => failure.code(),
            Self::Cut => CUT,
        }
    }
}

fn level(status: u16, broke: Option<Broke>) -> Level {
    match (status, broke) {
        (500.., _) | (_, Some(Broke::Cut)) => Level::Error,
        (_, Some(Broke::Failed(_))) => Level::Warn,
        _ => Level::Info,
    }
}

/// The client's address, without the port; one of IPv4 as such, also where it came by a socket of IPv6.
pub(super) fn client(connection: &Connection) -> &str {
    let address = connection.peer().split(' ').next().unwrap_or_default();
    address.strip_prefix("::ffff:").filter(|short| short.contains('.')).unwrap_or(address)
}
