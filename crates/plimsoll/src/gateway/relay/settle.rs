//! What an exchange leaves behind: figures, a link to keep or not, and what the client's connection is good for.

use std::rc::Rc;
use std::time::Instant;

use super::sending::Sending;
use super::{End, Relay};
use crate::gateway::buffer::Buffer;
use crate::gateway::claim::Claim;
use crate::gateway::connection::After;
use crate::gateway::failure::Failure;
use crate::gateway::http1::request::Persistence;
use crate::gateway::http1::response::Response;
use crate::gateway::inquest;
use crate::gateway::links::Link;
use crate::gateway::reclaim::reclaim;
use crate::gateway::thread::Thread;
use crate::gateway::tunnel::{Protocol, Tunnel};
use crate::gateway::watch::{Phase, Time};

/// nginx's number for a request whose client did not wait.
pub(in crate::gateway) const CLIENT_GONE: u16 = 499;

/// A finished exchange, before the link's fate is carried out.
pub(in crate::gateway) struct Settled {
    after: After,
    status: u16,
    link: Fate,
    is_moved: bool,
    /// Of the body of the answer, as far as they were sent.
    bytes: u64,
    first_byte: Option<Instant>,
    is_cut: bool,
}

enum Fate {
    Keep(Time),
    Drop,
    /// It ended before the answer did.
    Ended,
    /// The request may be sent again.
    Unanswered,
    /// Revoked: it can be kept once the agent has said that it saw that, if all of the request was sent.
    SetAside {
        is_whole: bool,
    },
    /// Becomes a tunnel, with these bytes and buffer.
    Upgrade {
        protocol: Protocol,
        from_client: usize,
        buffer: Option<Buffer>,
    },
}

impl Settled {
    pub(in crate::gateway) fn is_unanswered(&self) -> bool {
        matches!(self.link, Fate::Unanswered)
    }

    pub(in crate::gateway) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where that was asked for: when the head of the answer was there.
    pub(in crate::gateway) fn first_byte(&self) -> Option<Instant> {
        self.first_byte
    }

    /// The client has not got the whole answer, and sees that.
    pub(in crate::gateway) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// It was taken back for another worker.
    pub(in crate::gateway) fn is_moved(&self) -> bool {
        self.is_moved
    }

    pub(in crate::gateway) fn finish(self, link: Link, thread: &Rc<Thread>) -> (After, u16) {
        match self.link {
            Fate::Keep(now) => link.keep(now),
            Fate::Drop | Fate::Unanswered => inquest::discard(link, thread),
            Fate::Ended => inquest::hold(link, thread),
            Fate::SetAside { is_whole } => {
                drop(tokio::task::spawn_local(reclaim(link, is_whole, Rc::clone(thread))));
            }
            Fate::Upgrade { protocol, from_client, buffer } => {
                let tunnel = Tunnel::new(link, protocol, from_client, buffer);
                return (After::Tunnel(Box::new(tunnel)), self.status);
            }
        }
        (self.after, self.status)
    }
}

impl Relay<'_> {
    /// Books the exchange.
    ///
    /// # Errors
    /// The gateway has to answer by itself.
    pub(in crate::gateway) fn settle(self, end: End) -> Result<Settled, Failure> {
        let stats = &self.connection.thread.stats;
        stats.bytes_to_clients.add(self.answer_pump.moved);
        stats.bytes_from_clients.add(self.request_pump.moved);
        let status = self.response.as_ref().map_or(0, |response| response.status);
        let head = self.response.as_ref().map_or(0, |response| response.head_len as u64);
        let bytes = self.answer_pump.moved.saturating_sub(head);
        let first_byte = self.first_byte;
        let (is_moved, is_cut) = (end == End::Moved, end == End::Cut);
        let settled =
            |after, status, link| Ok(Settled { after, status, link, is_moved, bytes, first_byte, is_cut });
        let closes = |status, link| settled(After::Close, status, link);
        match end {
            End::Complete if status == 101 => closes(status, self.upgrade()),
            End::Complete => settled(self.after(), status, self.fate()),
            End::Failed(failure) => Err(failure),
            End::Unanswered => closes(0, Fate::Unanswered),
            End::ClientGone => closes(CLIENT_GONE, Fate::Drop),
            End::Revoked | End::Moved => {
                let is_whole = self.flight.sent == self.flight.length && self.flight.is_complete();
                closes(CLIENT_GONE, Fate::SetAside { is_whole })
            }
            End::Cut => {
                stats.record_failure("cut");
                let by_us = self.connection.watch.phase() == Phase::Aborting;
                closes(status, if by_us { Fate::Drop } else { Fate::Ended })
            }
        }
    }

    /// A link is kept if both sides know where the next request begins.
    fn fate(&self) -> Fate {
        let nothing_left = self.answer_buffer.as_ref().is_none_or(Buffer::is_empty);
        // Its process does not know of claims; a fresh link will not ask for them.
        let is_ignored = self.link.claim.as_ref().is_some_and(Claim::was_ignored);
        // The agent claims nothing more on a link that may have become another protocol's.
        let is_spent = is_ignored || self.request.upgrade;
        // Node reads nothing more after a request that said so, whatever the app makes of the answer.
        let closes = self.link_closes() || self.request.persistence == Persistence::Close;
        if self.sending == Sending::Sent && nothing_left && !is_spent && !closes {
            Fate::Keep(self.connection.watch.now())
        } else {
            Fate::Drop
        }
    }

    fn upgrade(self) -> Fate {
        let from_client = self.connection.buffer.as_ref().map_or(0, |buffer| buffer.filled().len());
        let protocol = match self.response {
            Some(Response { websocket: true, .. }) => Protocol::WebSocket,
            _ => Protocol::Other,
        };
        Fate::Upgrade { protocol, from_client, buffer: self.answer_buffer }
    }

    fn after(&self) -> After {
        let has_more = self.connection.buffer.as_ref().is_some_and(|buffer| !buffer.is_empty());
        let offered_switch = self.request.upgrade && has_more;
        let closes = self.link_closes() || self.request.persistence == Persistence::Close;
        match self.sending {
            // It sent its next requests before it stopped sending.
            Sending::Leaving(_) | Sending::Closed if has_more && !offered_switch && !closes => {
                After::KeepAlive
            }
            Sending::Leaving(_) | Sending::Closed => After::Close,
            Sending::Flight | Sending::Held | Sending::Streaming | Sending::Refused => After::Linger,
            // Bytes after an offer to switch may be of either protocol: they are not read as HTTP.
            Sending::Sent if offered_switch => After::Linger,
            Sending::Sent if closes => After::Linger,
            Sending::Sent => After::KeepAlive,
        }
    }
}
