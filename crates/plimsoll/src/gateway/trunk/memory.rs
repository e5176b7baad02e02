//! What stands where in a trunk (`plimsoll_wire::trunk`).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU32;

use plimsoll_wire::trunk::{
    ANSWERS, BYTES, DATA, LINK_FIRST, LINK_WORDS, LINKS, REQUESTS, WORDS, WORKER_HALF,
};

use crate::sys::shared::Shared;

#[derive(Debug)]
pub(super) struct Memory(Shared);

/// One of the two streams of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ring {
    Requests,
    Answers,
}

impl Ring {
    /// Bytes that it holds.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::Requests => REQUESTS,
            Self::Answers => ANSWERS,
        }
    }

    /// Where in the trunk that of a link begins.
    const fn start(self, link: usize) -> usize {
        let both = DATA + link * (REQUESTS + ANSWERS);
        match self {
            Self::Requests => both,
            Self::Answers => both + REQUESTS,
        }
    }

    /// Where `length` bytes behind the first `position` begin, and how many of them come before the ring begins anew.
    const fn place(self, link: usize, position: u32, length: usize) -> Option<(usize, usize)> {
        if link >= LINKS || length > self.size() {
            return None;
        }
        let offset = position as usize % self.size();
        let first = if length < self.size() - offset { length } else { self.size() - offset };
        Some((self.start(link) + offset, first))
    }
}

impl Memory {
    /// # Errors
    /// As the calls for files and mappings give them.
    pub(super) fn create() -> io::Result<(Self, OwnedFd)> {
        let (shared, file) = Shared::create("plimsoll-trunk", WORDS, BYTES)?;
        Ok((Self(shared), file))
    }

    #[cfg(test)]
    pub(super) fn of(file: &OwnedFd) -> io::Result<Self> {
        Shared::map(std::os::fd::AsFd::as_fd(file), WORDS, BYTES).map(Self)
    }

    pub(super) fn word(&self, index: usize) -> Option<&AtomicU32> {
        self.0.word(index)
    }

    /// A word of the gateway's half of a link, and of the worker's.
    pub(super) fn link(&self, link: usize, word: usize) -> Option<(&AtomicU32, &AtomicU32)> {
        let first = Some(link).filter(|link| *link < LINKS && word < WORKER_HALF)? * LINK_WORDS + LINK_FIRST;
        Some((self.word(first + word)?, self.word(first + WORKER_HALF + word)?))
    }

    /// Puts `bytes`, at most as many as the ring holds, behind the first `position` bytes.
    pub(super) fn put(&self, link: usize, ring: Ring, position: u32, bytes: &[u8]) {
        if let Some((at, first)) = ring.place(link, position, bytes.len()) {
            let (one, two) = bytes.split_at(first);
            self.0.write(at, one);
            self.0.write(ring.start(link), two);
        }
    }

    /// Fills `bytes` with those behind the first `position`.
    pub(super) fn take(&self, link: usize, ring: Ring, position: u32, bytes: &mut [u8]) {
        if let Some((at, first)) = ring.place(link, position, bytes.len()) {
            let (one, two) = bytes.split_at_mut(first);
            self.0.read(at, one);
            self.0.read(ring.start(link), two);
        }
    }

    /// Nobody needs what is in the rings of `link`.
    pub(super) fn forget(&self, link: usize) {
        if link < LINKS {
            self.0.forget(Ring::Requests.start(link), REQUESTS + ANSWERS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_wherever_they_lie() {
        let (ours, file) = Memory::create().unwrap();
        let theirs = Memory::of(&file).unwrap();
        let last = LINKS - 1;
        for ring in [Ring::Requests, Ring::Answers] {
            // Whole, round the end, round the end of what counts bytes, as much as fits.
            for (position, length) in
                [(0, 5), (ring.size() as u32 - 2, 5), (u32::MAX - 1, 5), (3, ring.size())]
            {
                let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
                ours.put(last, ring, position, &bytes);
                let mut found = vec![0; length];
                theirs.take(last, ring, position, &mut found);
                assert_eq!(found, bytes, "{ring:?} {position}");
            }
        }
        ours.forget(last);
        let mut found = [1; 5];
        theirs.take(last, Ring::Answers, 0, &mut found);
        assert_eq!(found, [0; 5]);
    }

    #[test]
    fn what_is_outside_is_nothing() {
        let (memory, _) = Memory::create().unwrap();
        assert!(memory.link(LINKS, 0).is_none() && memory.link(0, WORKER_HALF).is_none());
        memory.put(LINKS, Ring::Requests, 0, b"x");
        memory.put(0, Ring::Requests, 0, &vec![1; REQUESTS + 1]);
        let mut found = [7];
        memory.take(usize::MAX, Ring::Answers, 0, &mut found);
        assert_eq!(found, [7]);
        memory.forget(LINKS);
    }

    #[test]
    fn rings_are_apart_and_inside() {
        let mut places: Vec<_> = (0..LINKS)
            .flat_map(|link| [Ring::Requests, Ring::Answers].map(|ring| (ring.start(link), ring.size())))
            .collect();
        places.sort_unstable();
        let mut end = WORDS * size_of::<u32>();
        for (start, size) in places {
            assert!(start >= end && start % 4096 == 0 && size.is_power_of_two());
            end = start + size;
        }
        assert_eq!(end, BYTES);
    }
}
