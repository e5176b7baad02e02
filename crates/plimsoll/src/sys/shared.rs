//! Memory that another process maps as well, given to it as a descriptor; and bells, to wake each other.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

const WORD: usize = size_of::<AtomicU32>();

/// Words first, which are written with atomics, and bytes behind them.
#[derive(Debug)]
pub struct Shared {
    start: NonNull<u8>,
    words: usize,
    length: usize,
}

// SAFETY: the mapping belongs to no thread; its words are only reached as `AtomicU32`, and its bytes are copied.
#[expect(unsafe_code, reason = "a pointer says nothing of threads by itself")]
unsafe impl Send for Shared {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer says nothing of threads by itself")]
unsafe impl Sync for Shared {}

impl Shared {
    /// Fresh memory of `length` bytes, zeros, and the file to map it by, which nobody can make smaller or larger. `name` is
    /// what the system calls it.
    ///
    /// # Errors
    /// As the calls for files and mappings give them.
    pub fn create(name: &str, words: usize, length: usize) -> io::Result<(Self, OwnedFd)> {
        let file = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, length as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok((Self::map(file.as_fd(), words, length)?, file))
    }

    /// Maps a file of `length` bytes, the first `words` words of which are words. Whoever can shorten it could end us with SIGBUS: it is
    /// one of [`create`](Self::create), or belongs to somebody who runs as our user and could as well kill us.
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub fn map(file: BorrowedFd<'_>, words: usize, length: usize) -> io::Result<Self> {
        if words.checked_mul(WORD).is_none_or(|bytes| bytes > length) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses a place that nothing else uses.
        #[expect(unsafe_code, reason = "a mapping is memory that the compiler did not hand out")]
        let address = unsafe { mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED, file, 0) }?;
        let start = NonNull::new(address.cast()).ok_or(rustix::io::Errno::NOMEM)?;
        Ok(Self { start, words, length })
    }

    /// `None`: there is no such word.
    #[must_use]
    pub fn word(&self, index: usize) -> Option<&AtomicU32> {
        let index = Some(index).filter(|index| *index < self.words)?;
        // SAFETY: the word is inside the mapping, which is aligned to pages and lives as long as `self`. Others write
        // to the same words by atomic operations of the same width.
        #[expect(unsafe_code, reason = "the words of a mapping are reached through its address")]
        let word = unsafe { self.start.cast::<AtomicU32>().add(index).as_ref() };
        Some(word)
    }

    /// The same mapping, not one with the same in it.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.start == other.start
    }

    /// Writes `bytes` from `at` on; nothing where that is not among the bytes.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        if self.has(at, bytes.len()) {
            // SAFETY: just checked. Others may write there as well, against what was agreed: then the bytes are their
            // own, and nothing but bytes is made of them.
            #[expect(unsafe_code, reason = "bytes of a mapping are reached through its address")]
            unsafe {
                self.start.add(at).copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            };
        }
    }

    /// Fills `bytes` with what stands from `at` on; leaves them as they are where that is not among the bytes.
    pub fn read(&self, at: usize, bytes: &mut [u8]) {
        if self.has(at, bytes.len()) {
            let length = bytes.len();
            // SAFETY: as in `write`.
            #[expect(unsafe_code, reason = "bytes of a mapping are reached through its address")]
            unsafe {
                self.start.add(at).copy_to_nonoverlapping(NonNull::from(bytes).cast(), length);
            };
        }
    }

    /// Nobody needs these bytes: whole pages of them go back to the system, and read as zeros.
    pub fn forget(&self, at: usize, length: usize) {
        if self.has(at, length) {
            // SAFETY: the pages are bytes of the mapping, of which nobody has a reference.
            #[expect(unsafe_code, reason = "memory of a mapping is given back through its address")]
            let _only_advice =
                unsafe { madvise(self.start.add(at).as_ptr().cast(), length, Advice::LinuxRemove) };
        }
    }

    fn has(&self, at: usize, length: usize) -> bool {
        at >= self.words * WORD && at.checked_add(length).is_some_and(|end| end <= self.length)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and no reference into it outlives `self`.
        #[expect(unsafe_code, reason = "what was mapped by hand is unmapped by hand")]
        let _cannot_fail = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Something to wake somebody with.
///
/// # Errors
/// No more descriptors.
pub fn bell() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Wakes whoever watches the bell.
pub fn ring(bell: &OwnedFd) {
    // Full only when it was rung 2^64 times and nobody came.
    let _rung = rustix::io::write(bell, &1u64.to_ne_bytes());
}

/// Sends descriptors as one message, with a byte, as there must be one.
///
/// # Errors
/// As `sendmsg(2)`.
pub fn hand_over(connection: &UnixStream, descriptors: &[BorrowedFd<'_>; 3]) -> io::Result<()> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(descriptors));
    sendmsg(connection, &[io::IoSlice::new(b"t")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// What [`hand_over`] has sent.
#[cfg(test)]
pub fn receive(connection: &UnixStream) -> [OwnedFd; 3] {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(connection, &mut [io::IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)
        .unwrap();
    let mut descriptors = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    [(); 3].map(|()| descriptors.next().unwrap())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn both_sides_see_the_same_words_and_bytes() {
        let (ours, file) = Shared::create("test", 4, 8192).unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        let bells = [bell().unwrap(), bell().unwrap()];
        hand_over(&one, &[file.as_fd(), bells[0].as_fd(), bells[1].as_fd()]).unwrap();
        let [file, first, second] = receive(&other);
        let theirs = Shared::map(file.as_fd(), 4, 8192).unwrap();
        ours.word(3).unwrap().store(7, Ordering::Release);
        assert_eq!(theirs.word(3).unwrap().load(Ordering::Acquire), 7);
        ours.write(8189, b"abc");
        let mut found = [0; 3];
        theirs.read(8189, &mut found);
        assert_eq!(&found, b"abc");
        theirs.forget(4096, 4096);
        ours.read(8189, &mut found);
        assert_eq!(found, [0; 3]);
        ring(&bells[1]);
        assert!(
            rustix::io::read(&second, &mut [0; 8]).is_ok() && rustix::io::read(&first, &mut [0; 8]).is_err()
        );
    }

    #[test]
    fn what_is_outside_is_nothing() {
        let (memory, file) = Shared::create("test", 4, 4096).unwrap();
        assert!(memory.word(4).is_none() && memory.word(usize::MAX).is_none());
        for (at, length) in [(15, 1), (4096, 1), (4095, 2), (usize::MAX, 2)] {
            memory.write(at, &vec![1; length]);
            let mut found = vec![7; length];
            memory.read(at, &mut found);
            assert_eq!(found, vec![7; length]);
            memory.forget(at, length);
        }
        assert!(ftruncate(&file, 1).is_err(), "nobody can take the memory away");
        assert!(Shared::map(file.as_fd(), 1025, 4096).is_err());
    }
}
