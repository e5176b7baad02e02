//! System calls, each behind a safe function.
#![expect(unsafe_code, reason = "system calls are foreign functions")]

use std::ffi::{CStr, c_void};
use std::fs::File;
use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{
    Dl_info, c_int, clockid_t, cmsghdr, iovec, msghdr, off_t, sigset_t, sockaddr_un, socklen_t, timespec,
    uid_t,
};

/// The bytes of the address that the other end of the Unix socket `fd` is bound to (`sun_path` as
/// `getpeername(2)` gives it). `None` if `fd` is not a connected Unix socket.
pub(crate) fn unix_peer(fd: c_int) -> Option<Vec<u8>> {
    let mut address = MaybeUninit::<sockaddr_un>::zeroed();
    let mut length = socklen_t::try_from(size_of::<sockaddr_un>()).ok()?;
    // SAFETY: `address` is writable for `length` bytes, which is its size; the kernel checks `fd`.
    let status = unsafe { libc::getpeername(fd, address.as_mut_ptr().cast(), &raw mut length) };
    // SAFETY: all-zero bytes are a valid `sockaddr_un`, and the kernel only writes bytes into it.
    let address = unsafe { address.assume_init() };
    if status != 0 || c_int::from(address.sun_family) != libc::AF_UNIX {
        return None;
    }
    let path_length = (length as usize).checked_sub(offset_of!(sockaddr_un, sun_path))?;
    Some(address.sun_path.iter().take(path_length).map(|&byte| byte.to_ne_bytes()[0]).collect())
}

/// Opens for reading and writing, without waiting for the other end where the path is a pipe.
pub(crate) fn open(path: &CStr) -> io::Result<File> {
    let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    // SAFETY: `path` is NUL-terminated and outlives the call.
    let fd = unsafe { libc::open(path.as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is fresh and belongs to nobody else.
    Ok(unsafe { File::from_raw_fd(fd) })
}

pub(crate) struct Inspected {
    pub(crate) is_file: bool,
    pub(crate) owner: uid_t,
    pub(crate) length: u64,
}

pub(crate) fn inspect(file: &File) -> io::Result<Inspected> {
    let found = file.metadata()?;
    Ok(Inspected { is_file: found.is_file(), owner: found.uid(), length: found.len() })
}

pub(crate) fn user() -> uid_t {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Gives the file's holes a place, without touching what is in it. A file system that cannot say is believed.
pub(crate) fn fill(file: &File, length: usize) -> io::Result<()> {
    let length = off_t::try_from(length).map_err(io::Error::other)?;
    // SAFETY: the call takes numbers only.
    if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS)) => Ok(()),
        error => Err(error),
    }
}

/// Maps the first `length` bytes for reading and writing, shared with whoever else maps them; never unmapped.
pub(crate) fn map_shared(file: &File, length: usize) -> io::Result<*mut c_void> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: without an address and MAP_FIXED the kernel chooses a range that nobody uses.
    let start =
        unsafe { libc::mmap(ptr::null_mut(), length, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(start) }
}

/// The first three words of what [`map_shared`] mapped.
pub(crate) fn first_words(start: *mut c_void) -> [u32; 3] {
    [0, 1, 2].map(|index| word(start.cast(), index))
}

/// A word of what [`map_shared`] mapped; `index` is inside it.
pub(crate) fn word(start: *mut u32, index: usize) -> u32 {
    Words(start).get(index).load(Ordering::Acquire)
}

/// The words of what [`map_shared`] mapped.
pub(crate) struct Words(*mut u32);

impl Words {
    pub(crate) fn new(start: *mut c_void) -> Self {
        Self(start.cast())
    }

    pub(crate) fn start(&self) -> *mut c_void {
        self.0.cast()
    }

    /// `index` is inside the mapping.
    pub(crate) fn get(&self, index: usize) -> &AtomicU32 {
        // SAFETY: the mapping is page-aligned, longer than the index and never unmapped; atomics may be shared with
        // other processes.
        unsafe { AtomicU32::from_ptr(self.0.add(index)) }
    }
}

/// Room for three descriptors, as the kernel wants it aligned.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

const DESCRIPTORS: usize = 3;
// SAFETY: a calculation.
const CONTROL_BYTES: usize = unsafe { libc::CMSG_SPACE((DESCRIPTORS * size_of::<c_int>()) as u32) } as usize;

/// Three descriptors that come as the first message of the Unix socket `fd`, with one byte; `None`: nothing has come yet.
pub(crate) fn receive(fd: c_int) -> io::Result<Option<[File; DESCRIPTORS]>> {
    let (mut byte, mut control) = (0u8, Control([0; CONTROL_BYTES]));
    let mut part = iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message = unsafe { MaybeUninit::<msghdr>::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES as _;
    // SAFETY: the message points to what is writable for the lengths that it says; the kernel checks `fd`.
    let count = unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC) };
    match count {
        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
        1.. => {}
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            error => return Err(error),
        },
    }
    // SAFETY: the kernel has filled the message; the header is read only where there is one, and the descriptors only where
    // its length says that all three are there. They are fresh and belong to nobody else.
    unsafe {
        let header: *const cmsghdr = libc::CMSG_FIRSTHDR(&raw const message);
        let expected = libc::CMSG_LEN((DESCRIPTORS * size_of::<c_int>()) as u32) as usize;
        if header.is_null()
            || (*header).cmsg_type != libc::SCM_RIGHTS
            || (*header).cmsg_len as usize != expected
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let descriptors = libc::CMSG_DATA(header).cast::<RawFd>();
        Ok(Some([0, 1, 2].map(|index| File::from_raw_fd(descriptors.add(index).read_unaligned()))))
    }
}

/// Wakes whoever watches the bell `fd`.
pub(crate) fn ring(fd: c_int) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: the bytes are readable; the kernel checks `fd`. A bell that cannot be rung has been rung often enough.
    let _rung = unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
}

/// The bell has been heard.
pub(crate) fn hush(fd: c_int) {
    let mut count = [0u8; 8];
    // SAFETY: the bytes are writable; the kernel checks `fd`. It does not block, and may have nothing to say.
    let _heard = unsafe { libc::read(fd, count.as_mut_ptr().cast(), count.len()) };
}

/// Closes a descriptor that is ours, for good.
pub(crate) fn close(fd: c_int) {
    // SAFETY: callers own it and do not use it again.
    unsafe { libc::close(fd) };
}

/// Nanoseconds on the clock that libuv uses.
pub(crate) fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// Nanoseconds that a clock shows, of time or of a thread.
pub(crate) fn clock_ns(clock: clockid_t) -> Option<u64> {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable; the kernel checks the clock.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    (status == 0).then(|| seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// The clock of the processor time of the calling thread, for other threads to read.
pub(crate) fn thread_clock() -> Option<clockid_t> {
    let mut clock = 0;
    // SAFETY: the calling thread exists, and `clock` is writable.
    let status = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
    (status == 0).then_some(clock)
}

/// Where it is told for how long the calling thread waited for a processor, for other threads to read.
pub(crate) fn thread_delays() -> Option<File> {
    File::open("/proc/thread-self/schedstat").ok()
}

/// Nanoseconds that a thread could have run and had no processor; what [`thread_delays`] has opened: time on one, time
/// waited for one, turns. 0 where that cannot be read.
pub(crate) fn delayed_ns(delays: &File) -> u64 {
    let mut text = [0; 96];
    let length = delays.read_at(&mut text, 0).unwrap_or(0);
    let words = text.get(..length).and_then(|text| str::from_utf8(text).ok());
    words.and_then(|text| text.split(' ').nth(1)?.parse().ok()).unwrap_or(0)
}

/// Keeps this library loaded to the very end: Node unloads addons while their threads may still run.
pub(crate) fn stay_loaded(inside: *const c_void) -> bool {
    let mut found = MaybeUninit::<Dl_info>::zeroed();
    // SAFETY: `found` is writable, and its name is read only where one was found; to open a library again that is
    // loaded runs nothing.
    unsafe {
        if libc::dladdr(inside, found.as_mut_ptr()) == 0 {
            return false;
        }
        let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        !libc::dlopen(found.assume_init().dli_fname, flags).is_null()
    }
}

/// Has `hook` called at the very beginning of `exit(3)`, where other threads still run.
pub(crate) fn at_exit(hook: extern "C" fn()) -> bool {
    // SAFETY: `hook` is never unloaded, see `stay_loaded`.
    unsafe { libc::atexit(hook) == 0 }
}

/// The calling thread may interrupt others when it wakes, whatever the process does (`workers.cpu_scheduling`): what looks at
/// others must not wait for them.
pub(crate) fn wake_at_once() {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters are readable; only the policy of this thread changes, between two that anybody may have.
    unsafe {
        if libc::syscall(libc::SYS_sched_getscheduler, 0) == libc::c_long::from(libc::SCHED_BATCH) {
            libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &raw const parameters);
        }
    }
}

/// The signals of the process are for the app's threads.
pub(crate) fn take_no_signals() {
    let mut all = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: the set is filled before it is read; only the mask of this thread changes.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut());
    }
}
