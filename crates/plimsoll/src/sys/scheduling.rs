//! The part of a processor that a thread gets at a time.
//!
//! Linux gives all threads slices of the same length, some milliseconds, and lets one that wakes go before one that runs
//! only when its own slice ends earlier. A gateway thread works for microseconds at a time, beside workers that compute
//! for as long as they may: with a short slice it need not wait for theirs. It gets no more of the processor for it.
#![expect(unsafe_code, reason = "there is no safe wrapper of sched_setattr(2)")]

use std::time::Duration;

/// `struct sched_attr` as of its first version.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

const SIZE: u32 = size_of::<Attributes>() as u32;

/// Asks for slices of this length for the calling thread. Kernels before 6.12 have one length for all, and what cannot be
/// set stays as it is.
pub fn shorten(length: Duration) {
    let mut attributes = Attributes { size: SIZE, ..Attributes::default() };
    // SAFETY: the kernel writes at most the size that it is told.
    let read = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
    // Threads of a real-time policy have what they need.
    if read != 0 || attributes.policy != libc::SCHED_OTHER.cast_unsigned() {
        return;
    }
    let runtime = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    let wanted = Attributes { size: SIZE, runtime, flags: 0, ..attributes };
    // SAFETY: the attributes are readable for their size.
    let _set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const wanted, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_the_policy_that_it_had() {
        let policy = || {
            let mut attributes = Attributes { size: SIZE, ..Attributes::default() };
            // SAFETY: as above.
            unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
            (attributes.policy, attributes.nice)
        };
        let before = policy();
        shorten(Duration::from_micros(300));
        assert_eq!(policy(), before);
    }
}
