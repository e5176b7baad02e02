//! Finds a link to the best worker, and waits for one where there is none: while workers start, or after a
//! crash, a request is held, not refused; and while every worker is late it waits in the gateway, from where it can
//! still go to any of them. Nothing of it has been sent yet, so any method can wait.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::buffer::Buffer;
use super::connection::Connection;
use super::endpoint::{Choice, Now, Turn};
use super::failure::Failure;
use super::lanes::Kept;
use super::links::{Age, Link};
use super::queue::Waiting;
use super::relay::LEAVING;
use super::watch::{Phase, Time};

/// Between two tries to connect to a worker that does not accept: it has just died, and the supervisor will say
/// so in a moment.
const PAUSE: Duration = Duration::from_millis(5);

/// What the link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One request; a link that others used before will do.
    Request,
    /// One request that asks for more than an answer: its link may last.
    Upgrade,
    /// One request whose first link died of old age.
    SecondTry,
    /// A connection that is passed through.
    Passthrough,
}

/// Why there is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    Failed(Failure),
    /// The client did not wait, or may not.
    ClientGone,
}

/// Looks for a link on behalf of one request.
pub(super) struct Seek<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) purpose: Purpose,
    /// All of the request is here: what the client does next is its end, or its next request.
    pub(super) is_complete: bool,
    /// It is kept to a lane.
    pub(super) kept: Option<Kept>,
}

impl Seek<'_> {
    /// A link, and when it was found; `now` is what the clock says.
    ///
    /// # Errors
    /// No worker came within `gateway.hold`, there was an overload, or the client went away meanwhile.
    pub(super) async fn link(&mut self, now: Instant) -> Result<(Link, Instant), Lost> {
        if let Some(link) = self.idle_link(now) {
            return Ok((link, now));
        }
        // Boxed: waiting is rare, and its room must not be a part of every exchange.
        Ok((Box::pin(self.wait_for_link()).await?, Instant::now()))
    }

    /// Nearly always somebody is free, and has a link to spare.
    fn idle_link(&self, now: Instant) -> Option<Link> {
        if self.purpose != Purpose::Request || self.kept.is_some() {
            return None;
        }
        let Choice::Turn(turn) = self.connection.endpoint.choose(at(self.connection, now), None) else {
            return None;
        };
        let mut link = Link::take_idle(&turn.worker)?;
        (link.grant, link.tenure) = (Some(turn.grant), turn.tenure);
        Some(link)
    }

    /// # Errors
    /// As [`Self::link`].
    pub(super) async fn wait_for_link(&mut self) -> Result<Link, Lost> {
        let hold = self.connection.thread.config.hold;
        let (mut alone_since, mut leaving) = (None, Time::NEVER);
        loop {
            let endpoint = Rc::clone(&self.connection.endpoint);
            let arrival = endpoint.arrival.notified();
            let turn = match endpoint.choose(at(self.connection, Instant::now()), self.kept) {
                Choice::Turn(turn) => turn,
                Choice::Busy => match self.wait().await {
                    Err(Lost::Failed(Failure::NoWorker)) => continue,
                    turn => turn?,
                },
                Choice::Nobody if endpoint.is_closed() => return Err(Lost::Failed(Failure::NoWorker)),
                Choice::Nobody => {
                    let since = *alone_since.get_or_insert_with(|| {
                        self.connection.watch.set_deadline(Time::NEVER);
                        Instant::now()
                    });
                    let rest = hold.saturating_sub(since.elapsed());
                    let mut came = pin!(tokio::time::timeout(rest, arrival));
                    poll_fn(|cx| match came.as_mut().poll(cx) {
                        Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
                        Poll::Ready(Err(_)) => Poll::Ready(Err(Lost::Failed(Failure::NoWorker))),
                        Poll::Pending => self.poll_leaving(cx, &mut leaving).map(Err),
                    })
                    .await?;
                    continue;
                }
            };
            let worker = Rc::clone(&turn.worker);
            match self.open(turn).await {
                Ok(link) => return Ok(link),
                Err(error) => {
                    tracing::debug!(worker = %worker.id, %error, "worker cannot be connected to");
                    let since = *alone_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > hold {
                        return Err(Lost::Failed(Failure::NoWorker));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// # Errors
    /// The worker cannot be connected to.
    pub(super) async fn open(&self, turn: Turn) -> io::Result<Link> {
        let Turn { worker, grant, tenure } = turn;
        if let (Some(tenure), Some(kept)) = (&tenure, self.kept) {
            tenure.renew(Instant::now(), kept.tenure);
        }
        let now = self.connection.watch.now();
        let mut link = match self.purpose {
            Purpose::Request => Link::take(&worker, now).await,
            Purpose::Upgrade => Link::open_socket(&worker, now).await,
            Purpose::SecondTry => Link::open(&worker, now).await,
            Purpose::Passthrough => Link::open_named(&worker, self.connection.peer(), now),
        }?;
        if link.age == Age::Fresh {
            let stats = &self.connection.thread.stats;
            let opened = if link.is_in_memory() { &stats.links_in_memory } else { &stats.links_by_socket };
            opened.add(1);
            if link.claim.is_none() && self.purpose != Purpose::Passthrough && worker.has_claims() {
                stats.links_unclaimed.add(1);
            }
        }
        // What is passed through is never claimed.
        link.tenure = tenure;
        link.grant = Some(grant).filter(|_| self.purpose != Purpose::Passthrough);
        Ok(link)
    }

    /// Waits for its turn among those for whom every worker is late, or among those of its lane.
    async fn wait(&mut self) -> Result<Turn, Lost> {
        let thread = Rc::clone(&self.connection.thread);
        match self.kept {
            Some(_) => thread.stats.requests_queued_in_lane.add(1),
            None => {
                thread.stats.requests_queued.add(1);
                self.connection.endpoint.waits_for_late();
            }
        }
        thread.pulse.wake();
        let since = Instant::now();
        let waiting = self.connection.endpoint.queue_of(self.kept).enter(since);
        let mut leaving = Time::NEVER;
        self.connection.watch.set_deadline(Time::NEVER);
        let turn = poll_fn(|cx| self.poll_wait(cx, &waiting, &mut leaving)).await;
        if self.kept.is_none() {
            let waited = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            thread.stats.requests_queued_us.add(waited);
        }
        turn
    }

    fn poll_wait(
        &mut self,
        cx: &mut Context<'_>,
        waiting: &Waiting,
        leaving: &mut Time,
    ) -> Poll<Result<Turn, Lost>> {
        if let Poll::Ready(turn) = waiting.poll(cx) {
            return Poll::Ready(turn.map_err(Lost::Failed));
        }
        self.poll_leaving(cx, leaving).map(Err)
    }

    /// The client has gone, and for so long that it was no mistake.
    fn poll_leaving(&mut self, cx: &mut Context<'_>, leaving: &mut Time) -> Poll<Lost> {
        let connection = &mut *self.connection;
        connection.watch.register(cx);
        if connection.watch.phase() == Phase::Aborting || connection.watch.now() >= *leaving {
            return Poll::Ready(Lost::ClientGone);
        }
        // A full buffer of requests to come is enough; the rest waits in the kernel.
        while self.is_complete
            && *leaving == Time::NEVER
            && !connection.buffer.as_ref().is_some_and(Buffer::is_full)
        {
            match ready!(connection.poll_read(cx)) {
                Ok(0) => {
                    *leaving = connection.watch.now().after(LEAVING);
                    connection.watch.set_deadline(*leaving);
                }
                Ok(_) => {}
                Err(_) => return Poll::Ready(Lost::ClientGone),
            }
        }
        Poll::Pending
    }
}

pub(super) fn at(connection: &Connection, exact: Instant) -> Now {
    Now { coarse: connection.watch.now(), exact }
}
