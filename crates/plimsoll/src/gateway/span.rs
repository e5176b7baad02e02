//! What is recorded of a request that is over: everything that is known of it is copied, and handed to the thread that
//! makes spans of it. Only for the few that are recorded.

use super::access::{Broke, Course, Heads, Move, client};
use super::connection::Connection;
use super::context::{Context, Ids};
use super::failure::Failure;
use super::http1::framing::Framing;
use super::http1::request::Request;
use crate::concerns::context::tail::Why;
use crate::concerns::logs::access::Fields;
use crate::ids::{RouteId, WorkerId};
use crate::observe::traces::{Event, Finished, Moment};

/// More of a path or an agent's name is not told.
const TEXT_MAX: usize = 512;

/// Records a request, if it is to be.
pub(super) fn tell(
    connection: &mut Connection,
    request: &Request,
    (route, status): (RouteId, u16),
    course: &Course,
) {
    let thread = std::rc::Rc::clone(&connection.thread);
    let Some(tracer) = thread.context.tracer() else { return };
    let why = connection.ids.as_deref().and_then(|ids| thread.context.judge(ids, (route, status), course));
    let Some(why) = why else { return };
    let heads = thread.access.heads_of(connection, request);
    if let Some(ids) = &connection.ids {
        let route = thread.routes.borrow_mut().template(route).map(str::to_owned);
        let known = Known { connection, request, heads: &heads, course, context: &thread.context };
        tracer.tell(Event::Finished(Box::new(known.finished(ids, why, route, status))));
    }
    connection.heads = Some(heads);
}

struct Known<'a> {
    connection: &'a Connection,
    request: &'a Request,
    heads: &'a Heads,
    course: &'a Course,
    context: &'a Context,
}

impl Known<'_> {
    fn finished(&self, ids: &Ids, why: Why, route: Option<String>, status: u16) -> Finished {
        let Self { connection, request, course, .. } = self;
        let fields = Fields::read(self.heads.request());
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes.get(..TEXT_MAX).unwrap_or(bytes)).into_owned();
        let target = fields.line.split(|byte| *byte == b' ').nth(1);
        let path = target.and_then(|target| target.split(|byte| *byte == b'?').next());
        Finished {
            why,
            parent: ids.parent(),
            caller: ids.caller(),
            state: self.state(ids),
            started: self.context.unix(course.started),
            times: course.times(course.first_byte),
            method: request.method.as_str(),
            route,
            path: path.map(text),
            user_agent: fields.user_agent.map(text),
            request_id: ids.request().map(text),
            client: client(connection).to_owned(),
            status,
            error: course.broke.map(Broke::word),
            request_bytes: match request.framing {
                Framing::Length(length) => Some(length),
                Framing::None => Some(0),
                _ => None,
            },
            bytes: course.bytes,
            worker: course.worker.map(|index| WorkerId { index, incarnation: course.incarnation }),
            running: course.running,
            moments: self.moments(),
        }
    }

    /// What the client says of a trace that is not continued is left out.
    fn state(&self, ids: &Ids) -> String {
        let lines = if ids.caller().is_some() { self.heads.request() } else { ids.lines() };
        let states = lines.split(|byte| *byte == b'\n').filter_map(|line| {
            let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
            let is_state = name.eq_ignore_ascii_case(b"tracestate");
            is_state.then(|| String::from_utf8_lossy(value.get(1..).unwrap_or_default().trim_ascii()))
        });
        let state = states.collect::<Vec<_>>().join(",");
        // A list that is cut says something else.
        if state.len() <= TEXT_MAX { state } else { String::new() }
    }

    fn moments(&self) -> Vec<(u64, Moment)> {
        let moves = self.course.moves.iter().map(|(at, how)| {
            let moment = if *how == Move::Rescued { Moment::Rescued } else { Moment::Retried };
            (self.context.unix(*at), moment)
        });
        let is_shed = self.course.broke == Some(Broke::Failed(Failure::Overloaded));
        let shed = is_shed.then(|| (self.context.unix(self.course.ended), Moment::Shed));
        moves.chain(shed).collect()
    }
}
