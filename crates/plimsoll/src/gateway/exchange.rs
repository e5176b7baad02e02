//! One request and its answer: choose a worker, relay, settle; and if the worker dies under it, what then.
//!
//! A request may be sent again only if it has not begun to run. The claim tells that exactly, whatever the
//! method. Without a claim, it is known only of a request of which not a byte was taken; and a link that has
//! been idle may have died of old age, which is mended once for requests that can run twice without harm.

use std::rc::Rc;
use std::time::{Duration, Instant};

use plimsoll_wire::page::Revoked;
use plimsoll_wire::stall::BUSY_MS;

use super::access::{Broke, Course, Move};
use super::buffer::Buffer;
use super::claim::Claim;
use super::connection::{After, Connection};
use super::context::{Ids, SoFar};
use super::endpoint::Turn;
use super::failure::Failure;
use super::flight::Flight;
use super::http1::request::Request;
use super::inquest;
use super::lanes::Kept;
use super::links::{Age, Link};
use super::relay::{CLIENT_GONE, Relay};
use super::seek::{self, Lost, Purpose, Seek};
use super::span;
use super::tag::Tag;
use super::thread::Thread;
use super::unclaimed::Terms;
use crate::concerns::logs::Outcome;
use crate::config::RetryStarted;
use crate::ids::{RouteId, WorkerId};
use crate::routes::Asked;

/// Workers that may die under one request before it is given up: by then it is likely that it kills them.
const MOVES_MAX: u32 = 5;
/// How often a request may be taken back for another worker. The other one may stand still as well, and nobody can know
/// before it is late with something; the second time is the way back.
const RESCUES_MAX: u32 = 2;
/// The watchdog never tells that a shorter request kept the loop.
pub(super) const TOLD_FROM: Duration = Duration::from_millis(BUSY_MS as u64);

/// Serves one request whose head stands at the front of the connection's buffer.
pub(super) async fn run(connection: &mut Connection, request: &Request) -> After {
    let started = Instant::now();
    let thread = Rc::clone(&connection.thread);
    let asked = route_of(connection, request);
    thread.stats.requests_active.add(1);
    thread.stats.requests_total.add(1);
    connection.endpoint.count_request();
    thread.pulse.request();
    identify(connection, request, started);
    let tag = thread.outcomes.is_wanted().then(|| tag_of(connection, request));
    let kept = kept(connection, request, asked.id);
    connection.has_head = true;
    let mut course = Course::new(started);
    let served = serve(connection, request, (asked.id, kept), &mut course).await;
    let is_over = matches!(served, Ok((_, status)) if status != CLIENT_GONE);
    let (after, status) = match served {
        Ok(ended) => ended,
        Err(lost) => {
            course.ended = Instant::now();
            match lost {
                Lost::ClientGone => (After::Close, CLIENT_GONE),
                Lost::Failed(failure) => {
                    course.broke = Some(Broke::Failed(failure));
                    (After::Fail(failure, request.method), failure.status())
                }
            }
        }
    };
    judge(connection, &course, status);
    // The answer may have made room in the worker.
    if connection.endpoint.has_waiting() {
        connection.endpoint.serve_after_answer(seek::at(connection, course.ended), kept);
    }
    thread.stats.requests_active.sub(1);
    let hits = |route| thread.stats.hits(route);
    let route = thread.routes.borrow_mut().settle(&asked, request.method, status, &hits);
    // The watchdog tells of a route on trial under a number that is no longer its own.
    if is_over && route == asked.id {
        thread.lanes.ended(route);
    }
    let took = course.ended.saturating_duration_since(started);
    thread.stats.record(route, request.method, status, took);
    span::tell(connection, request, (route, status), &course);
    if thread.access.wants(status, course.broke) {
        let mut routes = thread.routes.borrow_mut();
        thread.access.note(connection, request, (status, routes.template(route)), &course);
    } else if let Some(heads) = connection.heads.take() {
        thread.access.give_back(heads);
    }
    if let Some(tag) = tag {
        tell(&thread, [Some(tag), connection.answered_as.take().map(|tag| *tag)], (route, status), took);
    }
    // The gateway's own answer tells the id.
    if !matches!(after, After::Fail(..))
        && let Some(ids) = connection.ids.take()
    {
        thread.context.give_back(ids);
    }
    after
}

/// What the choice of a worker learns of an answer.
fn judge(connection: &Connection, course: &Course, status: u16) {
    let Some(index) = course.worker else { return };
    if status >= 500 {
        let worker = WorkerId { index, incarnation: course.incarnation };
        connection.endpoint.note_error(worker, course.sent, course.ended);
    } else if status >= 200 && status != CLIENT_GONE {
        connection.endpoint.note_good(course.sent, course.ended);
    }
}

fn identify(connection: &mut Connection, request: &Request, started: Instant) {
    let head = connection.buffer.as_ref().and_then(|buffer| buffer.filled().get(..request.head_len));
    connection.ids = connection.thread.context.begin(head.unwrap_or_default(), request, started);
}

fn route_of(connection: &Connection, request: &Request) -> Asked {
    let head = connection.buffer.as_ref().map(Buffer::filled).unwrap_or_default();
    let target = head.get(request.target.clone()).unwrap_or_default();
    connection.thread.routes.borrow_mut().find(request.method, target)
}

/// Whether the request is kept to a lane. If so, that is known there from now on.
fn kept(connection: &Connection, request: &Request, route: RouteId) -> Option<Kept> {
    let head = connection.buffer.as_ref().map(Buffer::filled).unwrap_or_default();
    let lanes = &connection.thread.lanes;
    let kept = lanes.of(head, &request.target, route)?;
    lanes.arrived(kept, route, connection.endpoint.capacity(kept));
    Some(kept)
}

/// The ids that the client gave it, or we did.
fn tag_of(connection: &mut Connection, request: &Request) -> Tag {
    connection.answered_as = None;
    let head = connection.buffer.as_ref().and_then(|buffer| buffer.filled().get(..request.head_len));
    let mut tag = Tag::read(head.unwrap_or_default());
    if let Some(ids) = &connection.ids {
        tag.add(ids);
    }
    tag
}

/// The log keeps what was written about a request that failed or was slow.
fn tell(thread: &Thread, tags: [Option<Tag>; 2], (route, status): (RouteId, u16), took: Duration) {
    let is_slow = thread.outcomes.is_slow(route, took);
    let is_traced = tags.iter().flatten().any(|tag| tag.is_traced);
    if status < 500 && !is_slow && !is_traced {
        return;
    }
    // A line may have the one id or the other.
    for tag in tags.into_iter().flatten() {
        if tag.trace.is_some() {
            thread.outcomes.tell(Outcome { request: None, trace: tag.trace, status, is_slow, is_traced });
        }
        if tag.request.is_some() {
            thread.outcomes.tell(Outcome { request: tag.request, trace: None, status, is_slow, is_traced });
        }
    }
}

async fn serve(
    connection: &mut Connection,
    request: &Request,
    (route, kept): (RouteId, Option<Kept>),
    course: &mut Course,
) -> Result<(After, u16), Lost> {
    let started = course.started;
    let mut flight = Flight::new(connection, request, route).map_err(Lost::Failed)?;
    flight.kept = kept;
    let purpose = if request.upgrade { Purpose::Upgrade } else { Purpose::Request };
    let (mut link, mut at) = seek(connection, &flight, purpose).link(started).await?;
    loop {
        (course.sent, course.worker) = (at, Some(link.worker.id.index));
        course.incarnation = link.worker.id.incarnation;
        if let Some(buffer) = &mut connection.buffer {
            let ids = connection.ids.as_deref().map(Ids::lines).unwrap_or_default();
            flight.sign(buffer, (ids, &connection.private), &mut link);
        }
        expect_claim(connection, &mut link, at, Terms { may_move: course.rescued < RESCUES_MAX, kept });
        let so_far = SoFar { started, route, is_moved: course.rescued + course.retried > 0 };
        let mut relay = Relay::new(connection, request, &mut flight, &mut link, so_far);
        let end = std::future::poll_fn(|cx| relay.poll(cx)).await;
        let settled = relay.settle(end);
        // The clock is read once at the beginning and once at the end.
        course.ended = Instant::now();
        course.claim = link.claim.as_ref().map_or(Duration::ZERO, Claim::waited);
        if course.ended.saturating_duration_since(started) >= TOLD_FROM {
            // The watchdog may tell of it only when the link carries another.
            link.claim.as_ref().inspect(|claim| claim.remember());
            if let Some((slot, word, is_stalled)) = link.claim.as_ref().and_then(Claim::running) {
                (course.running, course.is_stalled) = (Some((slot, word)), is_stalled);
            }
        }
        let settled = match settled {
            Ok(settled) => settled,
            Err(failure) => {
                if matches!(failure, Failure::WorkerDied | Failure::WorkerClosed) {
                    inquest::hold(link, &connection.thread);
                }
                return Err(Lost::Failed(failure));
            }
        };
        if settled.is_moved() {
            course.rescued += 1;
            course.moves.push((course.ended, Move::Rescued));
            let offer = link.claim.as_ref().and_then(Claim::take_offer);
            connection.thread.stats.requests_rescued.add(1);
            link.tenure = None;
            link.worker.load.lateness.is_relieved();
            settled.finish(link, &connection.thread);
            (link, at) = Box::pin(follow(connection, (&flight, purpose), offer)).await?;
            continue;
        }
        if !settled.is_unanswered() {
            course.bytes = settled.bytes();
            course.first_byte = settled.first_byte();
            course.broke = settled.is_cut().then_some(Broke::Cut);
            return Ok(settled.finish(link, &connection.thread));
        }
        if course.retried >= MOVES_MAX || !may_run_elsewhere(&link, &flight, request) {
            let failure = Box::pin(inquest::blame(&mut link, connection.watch.now())).await;
            let may_run_twice = failure == Failure::WorkerDied && may_run_twice(connection, request);
            if course.retried > 0 || !may_run_twice {
                return Err(Lost::Failed(failure));
            }
        }
        course.retried += 1;
        course.moves.push((course.ended, Move::Retried));
        connection.thread.stats.requests_retried.add(1);
        // Frees the slot or not, but never while the next link is being sought.
        inquest::discard(link, &connection.thread);
        (link, at) = seek(connection, &flight, Purpose::SecondTry).link(course.ended).await?;
    }
}

fn seek<'a>(connection: &'a mut Connection, flight: &Flight, purpose: Purpose) -> Seek<'a> {
    Seek { connection, purpose, is_complete: flight.is_complete(), kept: flight.kept }
}

/// A link to the worker that offered to take the request; to another one if that has gone meanwhile.
async fn follow(
    connection: &mut Connection,
    (flight, purpose): (&Flight, Purpose),
    offer: Option<Turn>,
) -> Result<(Link, Instant), Lost> {
    let mut seek = seek(connection, flight, purpose);
    if let Some(turn) = offer
        && let Ok(link) = seek.open(turn).await
    {
        return Ok((link, Instant::now()));
    }
    seek.link(Instant::now()).await
}

/// From now on the worker has the request, and its claim is waited for.
fn expect_claim(connection: &Connection, link: &mut Link, at: Instant, terms: Terms) {
    if let Some(sent) = link.claim.as_ref().and_then(Claim::sent) {
        link.worker.unclaimed.push(sent, at, connection.watch.alarm(), terms);
        connection.thread.pulse.wake();
    }
    link.grant = None;
}

/// The link is dead, and not a byte of an answer came.
fn may_run_elsewhere(link: &Link, flight: &Flight, request: &Request) -> bool {
    match &link.claim {
        _ if flight.sent == 0 => true,
        Some(claim) => claim.revoke() == Revoked::Yes,
        None => link.age == Age::Reused && request.idempotent,
    }
}

/// What the settings allow for a request that had begun to run when its worker died.
fn may_run_twice(connection: &Connection, request: &Request) -> bool {
    connection.thread.config.retry_started == RetryStarted::Idempotent && request.idempotent
}
