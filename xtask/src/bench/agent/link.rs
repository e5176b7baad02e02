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
use super::private::Worker;

pub(super) struct Link {
    connection: Connection,
    /// None where there is no page: plain Node.
    slot: Option<Slot>,
    next_request: Vec<u8>,
}

struct Slot {
    page: Arc<File>,
    index: usize,
    word: AtomicU32,
    sent: Option<Ticket>,
}

impl Link {
    /// The first `count` links to the worker, in slots that the gateway's own links do not have yet.
    pub(super) fn open_all(worker: &Worker, count: usize) -> anyhow::Result<Vec<Self>> {
        (SLOTS - count..SLOTS).map(|index| Self::open(worker, index)).collect()
    }

    fn open(worker: &Worker, index: usize) -> anyhow::Result<Self> {
        let connection = Connection::open(&Address::path(&worker.socket))?;
        let slot = worker.page.clone().map(|page| Slot { page, index, word: AtomicU32::new(0), sent: None });
        // Plain Node gets the same bytes.
        Ok(Self { connection, slot, next_request: request(&format!(" {index}")) })
    }

    pub(super) fn ask(&mut self) -> anyhow::Result<()> {
        if let Some(slot) = &mut self.slot {
            slot.send()?;
        }
        self.connection.send(&self.next_request)
    }

    pub(super) fn receive(&mut self) -> anyhow::Result<()> {
        match self.connection.receive()?.status {
            // The number of a slot is given once.
            200 => self.next_request = request(""),
            status => bail!("the worker answered {status}"),
        }
        Ok(())
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

fn request(slot: &str) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nUser-Agent: bench\r\nAccept: */*\r\n\
         {PEER_HEADER}: 127.0.0.1 40000 127.0.0.1 3000{slot}\r\n\r\n"
    )
    .into_bytes()
}
