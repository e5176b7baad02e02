//! The gateway's side of trunks, with a worker that is a few lines of this file.

use std::sync::atomic::AtomicU32;
use std::task::{Context, Poll};

use plimsoll_wire::trunk::{ANSWERS, REQUESTS};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime;

use super::*;
use crate::gateway::trunk::memory::Ring;
use crate::sys::shared;

struct Worker {
    memory: Memory,
    bell: OwnedFd,
    gateway_bell: OwnedFd,
    connection: Std,
}

impl Worker {
    fn word(&self, index: usize) -> &AtomicU32 {
        self.memory.word(index).unwrap()
    }

    fn half(&self, link: usize, word: usize) -> &AtomicU32 {
        self.memory.link(link, word).unwrap().1
    }

    fn gateway(&self, link: usize, word: usize) -> u32 {
        self.memory.link(link, word).unwrap().0.load(SeqCst)
    }

    fn takes_links(&self) {
        self.word(STATE).store(state::TAKES_LINKS, SeqCst);
    }

    fn tell(&self, link: usize) {
        if wire::tell(self.word(TO_GATEWAY + link / 32), link, self.word(GATEWAY_SLEEPS)) {
            shared::ring(&self.gateway_bell);
        }
    }

    fn say(&self, link: usize, bit: u32) {
        self.half(link, SIDE).fetch_or(bit, SeqCst);
        self.tell(link);
    }

    fn answer(&self, link: usize, bytes: &[u8]) {
        let sent = self.half(link, SENT).load(SeqCst);
        // Now and then it begins anew.
        if sent.is_multiple_of(3) && self.gateway(link, TAKEN) == sent {
            self.half(link, BASE).store(sent, SeqCst);
        }
        let position = sent.wrapping_sub(self.half(link, BASE).load(SeqCst));
        self.memory.put(link, Ring::Answers, position, bytes);
        self.half(link, SENT).store(sent.wrapping_add(bytes.len() as u32), SeqCst);
        self.tell(link);
    }

    fn take(&self, link: usize) -> Vec<u8> {
        let taken = self.half(link, TAKEN).load(SeqCst);
        let mut bytes = vec![0; self.gateway(link, SENT).wrapping_sub(taken) as usize];
        let position = taken.wrapping_sub(self.gateway(link, BASE));
        self.memory.take(link, Ring::Requests, position, &mut bytes);
        self.half(link, TAKEN).store(taken.wrapping_add(bytes.len() as u32), SeqCst);
        bytes
    }

    /// Whether it was woken since it was asked last.
    fn was_rung(&self) -> bool {
        rustix::io::read(&self.bell, &mut [0; 8]).is_ok()
    }
}

impl Worker {
    fn of(connection: Std) -> Self {
        let [file, bell, gateway_bell] = shared::receive(&connection);
        let memory = Memory::of(&file).unwrap();
        Self { memory, bell, gateway_bell, connection }
    }
}

/// As a gateway thread runs.
fn run(test: impl AsyncFnOnce(Rc<Trunk>, Worker)) {
    run_with(async |trunk, connection| test(trunk, Worker::of(connection)).await);
}

fn run_with(test: impl AsyncFnOnce(Rc<Trunk>, Std)) {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_all().on_thread_park(before_sleep).on_thread_unpark(after_sleep);
    builder.build_local(Default::default()).unwrap().block_on(async {
        let (ours, theirs) = Std::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        test(Trunk::offer(ours).unwrap(), theirs).await;
    });
}

async fn read(stream: &mut RingStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[test]
fn there_is_no_link_before_the_worker_takes_them_and_none_after() {
    run(async |trunk, worker| {
        assert_eq!(worker.word(0).load(SeqCst), MAGIC);
        assert!(trunk.open().is_none());
        worker.takes_links();
        let link = trunk.open().unwrap();
        worker.word(STATE).store(state::CLOSED, SeqCst);
        assert!(trunk.open().is_none());
        worker.answer(0, b"goes on");
        let mut link = link;
        assert_eq!(read(&mut link, 7).await, b"goes on");
    });
}

#[test]
fn both_ways_and_round_the_ends_of_the_rings() {
    run(async |trunk, worker| {
        worker.takes_links();
        let mut link = trunk.open().unwrap();
        for round in 0..100_usize {
            let request = vec![round as u8; 1000 + round];
            link.write_all(&request).await.unwrap();
            assert_eq!(worker.take(0), request);
            let answer = vec![!(round as u8); 5000 + round];
            worker.answer(0, &answer);
            assert_eq!(read(&mut link, answer.len()).await, answer);
        }
    });
}

#[test]
fn who_sleeps_is_woken_once_and_who_is_awake_never() {
    run(async |trunk, worker| {
        worker.takes_links();
        let mut links = [trunk.open().unwrap(), trunk.open().unwrap()];
        assert!(!worker.was_rung(), "it does not sleep");
        worker.word(WORKER_SLEEPS).store(1, SeqCst);
        for link in &mut links {
            link.write_all(b"x").await.unwrap();
        }
        assert!(worker.was_rung());
        assert_eq!(worker.word(WORKER_SLEEPS).load(SeqCst), 0);
        links[0].write_all(b"y").await.unwrap();
        assert!(!worker.was_rung());
        assert_eq!(worker.word(TO_WORKER).load(SeqCst), 0b11);
    });
}

#[test]
fn a_thread_that_sleeps_is_woken_by_an_answer() {
    run_with(async |trunk, connection| {
        let answering = std::thread::spawn(move || {
            let worker = Worker::of(connection);
            worker.takes_links();
            while worker.word(TO_WORKER).load(SeqCst) == 0 || worker.word(GATEWAY_SLEEPS).load(SeqCst) == 0 {
                std::thread::yield_now();
            }
            worker.answer(0, b"late");
            worker.connection
        });
        let mut link = loop {
            match trunk.open() {
                Some(link) => break link,
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(read(&mut link, 4).await, b"late");
        answering.join().unwrap();
    });
}

#[test]
fn a_full_ring_waits_for_the_worker_and_an_emptied_one_wakes_it() {
    run(async |trunk, worker| {
        worker.takes_links();
        let mut link = trunk.open().unwrap();
        let mut context = Context::from_waker(std::task::Waker::noop());
        let body = vec![7; REQUESTS + 1];
        let poll = |link: &mut RingStream, cx: &mut Context<'_>, bytes: &[u8]| {
            tokio::io::AsyncWrite::poll_write(std::pin::Pin::new(link), cx, bytes)
        };
        assert!(matches!(poll(&mut link, &mut context, &body), Poll::Ready(Ok(REQUESTS))));
        assert!(poll(&mut link, &mut context, &body[..1]).is_pending());
        assert_ne!(worker.gateway(0, SIDE) & link_state::FULL, 0);
        assert_eq!(worker.take(0).len(), REQUESTS);
        worker.tell(0);
        link.write_all(&body[..1]).await.unwrap();
        assert_eq!(worker.gateway(0, SIDE) & link_state::FULL, 0);

        worker.answer(0, &vec![1; ANSWERS]);
        worker.half(0, SIDE).fetch_or(link_state::FULL, SeqCst);
        worker.word(TO_WORKER).store(0, SeqCst);
        read(&mut link, 10).await;
        assert_eq!(worker.word(TO_WORKER).load(SeqCst), 1, "there is room");
    });
}

#[test]
fn a_link_ends_behind_what_was_sent() {
    for end in [link_state::ENDED, link_state::GONE] {
        run(async |trunk, worker| {
            worker.takes_links();
            let mut link = trunk.open().unwrap();
            worker.answer(0, b"last");
            worker.say(0, end);
            assert!(link.is_readable());
            let mut all = Vec::new();
            link.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"last");
            let writes = link.write_all(b"x").await.map_err(|error| error.kind());
            let expected = if end == link_state::GONE { Err(io::ErrorKind::BrokenPipe) } else { Ok(()) };
            assert_eq!(writes, expected);
            link.shutdown().await.unwrap();
            assert_ne!(worker.gateway(0, SIDE) & link_state::ENDED, 0);
        });
    }
}

#[test]
fn a_link_is_free_when_both_have_left_it() {
    run(async |trunk, worker| {
        worker.takes_links();
        let mut links: Vec<_> = (0..LINKS).map(|_| trunk.open().unwrap()).collect();
        assert!(trunk.open().is_none(), "there are no more");
        links[5].write_all(b"x").await.unwrap();
        drop(links.remove(5));
        assert_ne!(worker.gateway(5, SIDE) & link_state::GONE, 0);
        assert!(trunk.open().is_none(), "the worker may still use it");
        worker.say(5, link_state::GONE);
        collect();
        let link = trunk.open().unwrap();
        assert_eq!((worker.gateway(5, SENT), worker.half(5, SIDE).load(SeqCst)), (0, 0));
        drop(link);
        // Left by the worker first.
        worker.say(6, link_state::GONE);
        drop(links.remove(5));
        assert!(trunk.open().is_some());
    });
}

#[test]
fn a_worker_that_is_gone_ends_all_links() {
    run(async |trunk, worker| {
        worker.takes_links();
        let mut link = trunk.open().unwrap();
        drop(worker.connection);
        assert_eq!(link.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        assert!(trunk.open().is_none() && !trunk.is_ready());
        assert!(link.write_all(b"x").await.is_err());
    });
}

#[test]
fn a_worker_is_told_of_the_end_of_the_trunk() {
    run(async |trunk, worker| {
        worker.takes_links();
        let link = trunk.open().unwrap();
        drop(trunk);
        drop(link);
        tokio::task::yield_now().await;
        let mut connection = worker.connection;
        assert_eq!(io::Read::read(&mut connection, &mut [0]).unwrap(), 0);
    });
}

#[test]
fn counts_that_cannot_be_are_an_error() {
    run(async |trunk, worker| {
        worker.takes_links();
        let mut link = trunk.open().unwrap();
        worker.half(0, SENT).store(ANSWERS as u32 + 1, SeqCst);
        let read = link.read_to_end(&mut Vec::new()).await.map_err(|error| error.kind());
        assert_eq!(read, Err(io::ErrorKind::InvalidData));
        worker.half(0, TAKEN).store(1, SeqCst);
        let write = link.write_all(b"x").await.map_err(|error| error.kind());
        assert_eq!(write, Err(io::ErrorKind::InvalidData));
        // Bits of links that nobody has are nobody's.
        worker.word(TO_GATEWAY).store(u32::MAX, SeqCst);
        assert!(collect());
    });
}
