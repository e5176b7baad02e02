//! A link to a worker as the gateway holds it: kept alive, with a slot in the page that the worker claims from.
//!
//! The page is written through its file, not mapped: the worker sees the same memory, and what it costs is ours.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail};
use plimsoll_wire::names::PEER_HEADER;
use plimsoll_wire::page::{self, SLOT_FIRST, SLOTS, Ticket};

use super::super::client::{Address, Connection};
use super::super::load::Head;
use super::private::Worker;

pub(super) struct Link {
    connection: Connection,
    /// None where there is no page: plain Node.
    slot: Option<Slot>,
    /// Of two clients in turn, as links are shared: the agent has to look at the address of each.
    requests: [Vec<u8>; 2],
    asked: usize,
}

struct Slot {
    page: Arc<File>,
    index: usize,
    word: AtomicU32,
    sent: Option<Ticket>,
}

impl Link {
    /// So many links to the worker, in slots that the gateway's own links do not have yet.
    pub(super) fn open_all(worker: &Worker, count: usize, head: Head) -> anyhow::Result<Vec<Self>> {
        (SLOTS - count..SLOTS).map(|index| Self::open(worker, index, head)).collect()
    }

    /// The first request of a link gives the number of its slot, once. Plain Node gets the same bytes.
    fn open(worker: &Worker, index: usize, head: Head) -> anyhow::Result<Self> {
        let connection = Connection::open(&Address::path(&worker.socket))?;
        let slot = worker.page.clone().map(|page| Slot { page, index, word: AtomicU32::new(0), sent: None });
        let first = request(head, &format!("40000 127.0.0.1 3000 {index}"));
        let mut link = Self { connection, slot, requests: [first, Vec::new()], asked: 0 };
        link.ask()?;
        link.receive()?;
        link.requests = ["40000", "40001"].map(|port| request(head, &format!("{port} 127.0.0.1 3000")));
        Ok(link)
    }

    pub(super) fn ask(&mut self) -> anyhow::Result<()> {
        if let Some(slot) = &mut self.slot {
            slot.send()?;
        }
        let [even, odd] = &self.requests;
        let request = if self.asked.is_multiple_of(2) { even } else { odd };
        self.asked += 1;
        self.connection.send(request)
    }

    pub(super) fn receive(&mut self) -> anyhow::Result<()> {
        match self.connection.receive()?.status {
            200 => Ok(()),
            status => bail!("the worker answered {status}"),
        }
    }

    /// Proves that the worker does claim what it runs.
    pub(super) fn check_claim(&self) -> anyhow::Result<()> {
        self.slot.as_ref().map_or(Ok(()), Slot::check_claim)
    }
}

impl Slot {
    fn send(&mut self) -> anyhow::Result<()> {
        self.sent = Some(page::send(&self.word));
        self.page.write_all_at(&self.word.load(Ordering::Relaxed).to_ne_bytes(), self.offset())?;
        Ok(())
    }

    fn check_claim(&self) -> anyhow::Result<()> {
        let mut bytes = [0; 4];
        self.page.read_exact_at(&mut bytes, self.offset())?;
        let sent = self.sent.context("nothing was asked")?;
        if !page::was_claimed(&AtomicU32::new(u32::from_ne_bytes(bytes)), sent) {
            bail!("the worker answered a request that it did not claim");
        }
        Ok(())
    }

    fn offset(&self) -> u64 {
        (SLOT_FIRST + self.index) as u64 * 4
    }
}

fn request(head: Head, rest_of_peer: &str) -> Vec<u8> {
    let lines: String = head.lines().iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n{lines}{PEER_HEADER}: 127.0.0.1 {rest_of_peer}\r\n\r\n"
    )
    .into_bytes()
}
