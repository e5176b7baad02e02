//! Every order in which gateway and agent can touch a slot, and every value that a load may give in it (loom).
//!
//! The gateway's side is one thread, as in life. What orders the two beyond the slot's word is the link's socket, here
//! a channel: a request is read after it was written, an answer too.

use std::sync::Arc;

use loom::sync::mpsc;
use loom::thread;

use super::*;

/// What the agent answers: that it ran, or the marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Ran,
    Marker,
}

/// The gateway's end of a link.
struct Link {
    /// The number of a request, to tell whose claim it is; 0: the link is closed.
    requests: mpsc::Sender<u32>,
    answers: mpsc::Receiver<Answer>,
    unread: usize,
}

impl Link {
    fn write(&mut self, request: u32) {
        self.unread += 1;
        self.requests.send(request).unwrap();
    }

    fn answer(&mut self) -> Answer {
        self.unread -= 1;
        self.answers.recv().unwrap()
    }

    fn close(mut self) {
        self.requests.send(0).unwrap();
        while self.unread > 0 {
            self.answer();
        }
    }
}

/// One worker: claims what it reads, runs it or not, and answers. Gives the requests that it ran.
fn agent(slot: &AtomicU32, requests: &mpsc::Receiver<u32>, answers: &mpsc::Sender<Answer>) -> Vec<u32> {
    let mut ran = Vec::new();
    loop {
        let request = requests.recv().unwrap();
        if request == 0 {
            return ran;
        }
        let claimed = start(slot);
        if claimed {
            ran.push(request);
        }
        answers.send(if claimed { Answer::Ran } else { Answer::Marker }).unwrap();
    }
}

/// Runs `gateway` beside an agent at the other end of a link; gives what the two came to.
fn beside_an_agent<T>(gateway: impl FnOnce(&AtomicU32, &mut Link) -> T) -> (T, Vec<u32>) {
    let slot = Arc::new(AtomicU32::new(0));
    let (requests, read) = mpsc::channel();
    let (written, answers) = mpsc::channel();
    let agent = thread::spawn({
        let slot = Arc::clone(&slot);
        move || agent(&slot, &read, &written)
    });
    let mut link = Link { requests, answers, unread: 0 };
    let told = gateway(&slot, &mut link);
    link.close();
    (told, agent.join().unwrap())
}

#[test]
fn a_request_that_was_taken_back_never_runs_and_one_that_was_not_does() {
    loom::model(|| {
        let (revoked, ran) = beside_an_agent(|slot, link| {
            let ticket = send(slot);
            link.write(1);
            revoke(slot, ticket) == Revoked::Yes
        });
        assert_eq!(ran.is_empty(), revoked, "revoked: {revoked}, ran: {ran:?}");
    });
}

#[test]
fn what_is_said_to_have_begun_stays_begun() {
    loom::model(|| {
        let ((began, claimed, revoked), ran) = beside_an_agent(|slot, link| {
            let ticket = send(slot);
            link.write(1);
            (has_started(slot, ticket), was_claimed(slot, ticket), revoke(slot, ticket) == Revoked::Yes)
        });
        assert!(!(began && revoked), "begun, and then taken back");
        assert!(!began || !ran.is_empty(), "begun, and never run");
        assert!(!(claimed && revoked), "claimed, and then taken back");
    });
}

/// Both requests of a link, the first of which may be taken back; the second is not touched by what became of it.
#[test]
fn a_second_generation_has_nothing_to_do_with_the_first() {
    loom::model(|| {
        let (revoked, ran) = beside_an_agent(|slot, link| {
            let first = send(slot);
            link.write(1);
            let revoked = revoke(slot, first) == Revoked::Yes;
            // The link is of use again only when the agent has answered.
            let answer = link.answer();
            assert_eq!(answer == Answer::Marker, revoked);
            free(slot, first);
            assert_eq!(revoke(slot, first), Revoked::Started, "after it was freed");

            let second = send(slot);
            link.write(2);
            assert_eq!(revoke(slot, first), Revoked::Started, "the ticket of another request");
            assert_eq!(link.answer(), Answer::Ran);
            assert!(was_claimed(slot, second) && !was_claimed(slot, first));
            free(slot, second);
            assert_eq!(state(slot.load(Ordering::Relaxed)), State::Free);
            revoked
        });
        assert_eq!(ran, if revoked { vec![2] } else { vec![1, 2] });
    });
}

/// The link's slot goes to another link when the worker had begun; the agent serves both, one after the other.
#[test]
fn a_slot_is_freed_while_the_agent_still_runs_what_it_claimed() {
    loom::model(|| {
        let (second_ran, ran) = beside_an_agent(|slot, link| {
            let first = send(slot);
            link.write(1);
            if revoke(slot, first) == Revoked::Yes {
                // Never given away: the agent may come across the request yet.
                return None;
            }
            // The client has gone, and the answer is not waited for.
            free(slot, first);
            let second = send(slot);
            link.write(2);
            let revoked = revoke(slot, second) == Revoked::Yes;
            Some(!revoked)
        });
        match second_ran {
            None => assert!(ran.is_empty()),
            Some(true) => assert_eq!(ran, [1, 2]),
            Some(false) => assert_eq!(ran, [1]),
        }
    });
}

/// A process that has mapped the page of its parent (`node:cluster`) claims beside it: one of the two runs it.
#[test]
fn of_two_agents_one_claims() {
    loom::model(|| {
        let slot = Arc::new(AtomicU32::new(0));
        let ticket = send(&slot);
        let agents = [0, 1].map(|_| {
            let slot = Arc::clone(&slot);
            thread::spawn(move || start(&slot))
        });
        let revoked = revoke(&slot, ticket) == Revoked::Yes;
        let claims = agents.map(|agent| agent.join().unwrap()).into_iter().filter(|claimed| *claimed).count();
        assert_eq!(claims + usize::from(revoked), 1);
    });
}
