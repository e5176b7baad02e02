//! Ids and traces as one gateway thread makes them.
//!
//! What a request gets stands in lines that go between the client's own headers and the private one (`flight`), so that it
//! is the same by whatever link the request goes, also a second time. Buffers are used again and again; a request
//! that is not recorded costs nothing after its head has been sent but a comparison or two.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::time::{Duration, Instant};

use super::access::{Broke, Course};
use super::http1::carried::Carried;
use super::http1::request::Request;
use crate::concerns::context::id;
use crate::concerns::context::parent::{Parent, SpanId, TraceId};
use crate::concerns::context::tail::{self, Allowance, Facts, Why};
use crate::ids::RouteId;
use crate::observe::traces::{Tracer, now};

/// Kept for the requests to come.
const SPARE_MAX: usize = 64;
/// Of each reason but chance, by one thread.
const RECORDED_PER_SECOND: u32 = 100;
/// The system's clock is read so often; in between it is computed.
const CLOCK: Duration = Duration::from_secs(1);

/// What is asked for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Given {
    pub request_ids: bool,
    /// Clients are told.
    pub echo: bool,
    pub tracer: Option<Tracer>,
}

#[derive(Debug)]
pub(super) struct Context {
    given: Given,
    random: Cell<u64>,
    clock: Cell<(Instant, u64)>,
    allowances: [Cell<Allowance>; Why::ALL.len()],
    #[expect(clippy::vec_box, reason = "a connection has room for a pointer, and takes it from here")]
    spare: RefCell<Vec<Box<Ids>>>,
}

/// By what one request is known.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Header lines for the app.
    lines: Vec<u8>,
    /// The header line for the client; empty: none.
    echo: Vec<u8>,
    request: Vec<u8>,
    /// As the app gets it: with our span.
    parent: Option<Parent>,
    /// The span of who called.
    caller: Option<SpanId>,
    /// Lines of the head that are left out.
    removed: Vec<Range<usize>>,
}

impl Context {
    pub(super) fn new(given: Given, seed: u64) -> Self {
        let at = Instant::now();
        Self {
            given,
            random: Cell::new(seed),
            clock: Cell::new((at, now())),
            allowances: std::array::from_fn(|_| Cell::new(Allowance::new(RECORDED_PER_SECOND, at))),
            spare: RefCell::default(),
        }
    }

    pub(super) fn tracer(&self) -> Option<&Tracer> {
        self.given.tracer.as_ref()
    }

    /// `None`: the headers stay as they are.
    pub(super) fn begin(&self, head: &[u8], request: &Request, at: Instant) -> Option<Box<Ids>> {
        if !self.given.request_ids && self.given.tracer.is_none() {
            return None;
        }
        let mut ids = self.spare.borrow_mut().pop().unwrap_or_default();
        let carried = &request.carried;
        if self.given.request_ids {
            self.identify(&mut ids, head, carried, at);
        }
        if let Some(tracer) = &self.given.tracer {
            self.trace(&mut ids, head, carried, tracer);
        }
        Some(ids)
    }

    fn identify(&self, ids: &mut Ids, head: &[u8], carried: &Carried, at: Instant) {
        let own = carried.request_id.one(head).filter(|id| id::is_proper(id));
        if let Some(own) = own {
            ids.request.extend_from_slice(own);
        } else {
            carried.request_id.remove(&mut ids.removed);
            id::push_uuid(self.unix(at) / 1_000_000, self.random_wide(), &mut ids.request);
            line(b"x-request-id: ", &ids.request, &mut ids.lines);
        }
        if self.given.echo {
            line(b"x-request-id: ", &ids.request, &mut ids.echo);
        }
    }

    fn trace(&self, ids: &mut Ids, head: &[u8], carried: &Carried, tracer: &Tracer) {
        let caller = carried.traceparent.one(head).and_then(Parent::read);
        carried.traceparent.remove(&mut ids.removed);
        let span = SpanId(self.random().max(1).to_be_bytes());
        let parent = if let Some(caller) = caller {
            caller.with_span(span)
        } else {
            // What they say belongs to a trace that cannot be continued.
            carried.tracestate.remove(&mut ids.removed);
            let trace = TraceId(self.random_wide().max(1).to_be_bytes());
            let is_sampled = tracer.sampler().samples(trace);
            if is_sampled {
                ids.lines.extend_from_slice(b"tracestate: ");
                tracer.sampler().push_state(&mut ids.lines);
                ids.lines.extend_from_slice(b"\r\n");
            }
            Parent::new(trace, span, is_sampled)
        };
        // The last of them: the agent finds it there.
        ids.lines.extend_from_slice(b"traceparent: ");
        parent.push(&mut ids.lines);
        ids.lines.extend_from_slice(b"\r\n");
        (ids.parent, ids.caller) = (Some(parent), caller.map(|caller| caller.span));
    }

    pub(super) fn give_back(&self, mut ids: Box<Ids>) {
        ids.lines.clear();
        ids.echo.clear();
        ids.request.clear();
        ids.removed.clear();
        (ids.parent, ids.caller) = (None, None);
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(ids);
        }
    }

    /// May the request be recorded, so that its head must be kept when its answer begins?
    pub(super) fn keeps(
        &self,
        ids: Option<&Ids>,
        (status, is_whole): (u16, bool),
        (so_far, now): (&SoFar, Instant),
    ) -> bool {
        let Some(tracer) = &self.given.tracer else { return false };
        status >= 500
            || !is_whole
            || so_far.is_moved
            || ids.is_some_and(Ids::is_sampled)
            || tracer.is_slow(so_far.route, now.saturating_duration_since(so_far.started))
    }

    /// Why a request that is over is recorded, if it is.
    pub(super) fn judge(&self, ids: &Ids, (route, status): (RouteId, u16), course: &Course) -> Option<Why> {
        let tracer = self.given.tracer.as_ref()?;
        let took = course.ended.saturating_duration_since(course.started);
        let why = tail::judge(Facts {
            is_sampled: ids.is_sampled(),
            is_slow: tracer.is_slow(route, took),
            is_moved: course.rescued + course.retried > 0,
            is_stalled: course.is_stalled,
            is_failed: status >= 500 || course.broke == Some(Broke::Cut),
        })?;
        if why == Why::Sampled || ids.is_sampled() || self.is_allowed(why, course.ended) {
            return Some(why);
        }
        tracer.skip(why);
        None
    }

    fn is_allowed(&self, why: Why, now: Instant) -> bool {
        let Some(cell) = self.allowances.get(why as usize) else { return false };
        let mut allowance = cell.get();
        let is_allowed = allowance.take(now);
        cell.set(allowance);
        is_allowed
    }

    /// Nanoseconds since the epoch.
    pub(super) fn unix(&self, at: Instant) -> u64 {
        let (mut read_at, mut read) = self.clock.get();
        if at.saturating_duration_since(read_at) >= CLOCK {
            (read_at, read) = (Instant::now(), now());
            self.clock.set((read_at, read));
        }
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let after = nanoseconds(at.saturating_duration_since(read_at));
        let before = nanoseconds(read_at.saturating_duration_since(at));
        read.saturating_add(after).saturating_sub(before)
    }

    /// SplitMix64: ids must differ, and need not be secret.
    fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn random_wide(&self) -> u128 {
        u128::from(self.random()) << 64 | u128::from(self.random())
    }
}

/// What is known of a request when its answer begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct SoFar {
    pub(super) started: Instant,
    pub(super) route: RouteId,
    pub(super) is_moved: bool,
}

impl Ids {
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    pub(super) fn echo(&self) -> &[u8] {
        &self.echo
    }

    /// Where there are request ids.
    pub(super) fn request(&self) -> Option<&[u8]> {
        Some(self.request.as_slice()).filter(|id| !id.is_empty())
    }

    pub(super) fn parent(&self) -> Option<Parent> {
        self.parent
    }

    pub(super) fn caller(&self) -> Option<SpanId> {
        self.caller
    }

    /// Lines of the client's that are left out, in no order.
    pub(super) fn removed(&self) -> &[Range<usize>] {
        &self.removed
    }

    pub(super) fn is_sampled(&self) -> bool {
        self.parent.is_some_and(Parent::is_sampled)
    }
}

fn line(name: &[u8], value: &[u8], lines: &mut Vec<u8>) {
    lines.extend_from_slice(name);
    lines.extend_from_slice(value);
    lines.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::http1::head::Scan;
    use crate::gateway::http1::request::Limits;

    const LIMITS: Limits = Limits { head_bytes_max: 16_384, headers_max: 100, target_bytes_max: 8192 };
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn context(share: Option<f64>) -> Context {
        let tracer = share.map(Tracer::for_test);
        Context::new(Given { request_ids: true, echo: true, tracer }, 7)
    }

    /// The head as the app gets it, but for the private header; and what the client is told.
    fn pass(context: &Context, headers: &str) -> (String, String) {
        let head = format!("GET /a HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let request = Request::read(head.as_bytes(), &mut Scan::default(), &LIMITS).unwrap().unwrap();
        let ids = context.begin(head.as_bytes(), &request, Instant::now()).unwrap();
        let mut text = head.clone();
        let mut removed = ids.removed().to_vec();
        removed.sort_by_key(|line| line.start);
        removed.into_iter().rev().for_each(|line| text.replace_range(line, ""));
        text.truncate(text.len() - 2);
        text.push_str(std::str::from_utf8(ids.lines()).unwrap());
        let told = String::from_utf8(ids.echo().to_vec()).unwrap();
        context.give_back(ids);
        (text, told)
    }

    #[test]
    fn a_proper_id_stays_where_it_is_and_a_bad_or_double_one_is_replaced() {
        let context = context(None);
        let (head, told) = pass(&context, "X-Request-ID: mine-7 \r\nB: c\r\n");
        assert_eq!(head, "GET /a HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine-7 \r\nB: c\r\n");
        assert_eq!(told, "x-request-id: mine-7\r\n");
        for bad in
            ["", "x-request-id: a b\r\n", "x-request-id:\r\n", "x-request-id: a\r\nX-REQUEST-ID: b\r\n"]
        {
            let (head, told) = pass(&context, &format!("{bad}B: c\r\n"));
            let made = head.strip_prefix("GET /a HTTP/1.1\r\nHost: a\r\nB: c\r\n").unwrap();
            assert_eq!(made, told);
            assert_eq!((made.len(), made.as_bytes()[28]), ("x-request-id: ".len() + 36 + 2, b'7'), "{made}");
        }
        let (one, other) = (pass(&context, "").1, pass(&context, "").1);
        assert_ne!(one, other);
    }

    #[test]
    fn a_trace_is_continued_under_our_own_span() {
        let (head, _) = pass(
            &context(Some(0.0)),
            &format!("traceparent: {PARENT}\r\ntracestate: a=b\r\nX-Request-Id: i\r\n"),
        );
        let (head, parent) = head.rsplit_once("traceparent: ").unwrap();
        assert_eq!(head, "GET /a HTTP/1.1\r\nHost: a\r\ntracestate: a=b\r\nX-Request-Id: i\r\n");
        let (ours, theirs) =
            (Parent::read(parent.trim().as_bytes()).unwrap(), Parent::read(PARENT.as_bytes()).unwrap());
        assert!(ours.trace == theirs.trace && ours.span != theirs.span && ours.is_sampled(), "{parent}");
    }

    #[test]
    fn what_is_no_trace_begins_a_new_one_without_its_state() {
        for bad in [
            "",
            "traceparent: no\r\ntracestate: a=b\r\n",
            &format!(
                "traceparent: {PARENT}\r\nTraceparent: {PARENT}\r\ntracestate: a=b\r\ntracestate: c=d\r\n"
            ),
        ] {
            for (share, state) in [(0.0, ""), (1.0, "tracestate: ot=th:0\r\n")] {
                let (head, _) = pass(&context(Some(share)), &format!("{bad}x-request-id: i\r\n"));
                let (head, parent) = head.rsplit_once("traceparent: ").unwrap();
                assert_eq!(head, format!("GET /a HTTP/1.1\r\nHost: a\r\nx-request-id: i\r\n{state}"));
                assert_eq!(Parent::read(parent.trim().as_bytes()).unwrap().is_sampled(), share > 0.5);
            }
        }
    }

    #[test]
    fn where_nothing_is_asked_for_nothing_is_made() {
        let context = Context::new(Given::default(), 1);
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let request = Request::read(head, &mut Scan::default(), &LIMITS).unwrap().unwrap();
        assert!(context.begin(head, &request, Instant::now()).is_none());
    }

    #[test]
    fn the_clock_is_read_now_and_then_and_computed_in_between() {
        let context = context(None);
        let (at, unix) = context.clock.get();
        assert_eq!(context.unix(at + Duration::from_millis(7)), unix + 7_000_000);
        assert_eq!(context.unix(at.checked_sub(Duration::from_millis(7)).unwrap()), unix - 7_000_000);
    }
}
