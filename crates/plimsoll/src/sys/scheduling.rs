//! Who gets the processor, and for how long.
//!
//! Linux gives all threads slices of the same length, some milliseconds, and lets one that wakes go before one that runs
//! only when its own slice ends earlier. A gateway thread works for microseconds at a time, beside workers that compute
//! for as long as they may: with a short slice it need not wait for theirs. It gets no more of the processor for it.
//!
//! A worker that interrupts the gateway gets its requests one by one, where it would find some more a moment later, and
//! each turn of an event loop costs some microseconds whatever it finds. Threads of the batch policy interrupt nobody when they
//! wake; of the processor they get as much as others. But they do not interrupt those either that compute for long.
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
pub fn shorten_slices(length: Duration) {
    let runtime = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    change(|attributes| attributes.runtime = runtime);
}

/// From now on the calling thread interrupts nobody when it wakes, nor do the threads and processes that it starts. Makes
/// only system calls, and so may stand between `fork` and `exec`. What cannot be set stays as it is.
pub fn wake_in_turn() {
    change(|attributes| attributes.policy = libc::SCHED_BATCH.cast_unsigned());
}

/// Only where the thread has the policy that all threads have: whoever was given another one was given it on purpose.
fn change(how: impl FnOnce(&mut Attributes)) {
    let Some(mut attributes) = read() else { return };
    if attributes.policy != libc::SCHED_OTHER.cast_unsigned() {
        return;
    }
    attributes = Attributes { size: SIZE, flags: 0, ..attributes };
    how(&mut attributes);
    // SAFETY: the attributes are readable for their size.
    let _set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

fn read() -> Option<Attributes> {
    let mut attributes = Attributes { size: SIZE, ..Attributes::default() };
    // SAFETY: the kernel writes at most the size that it is told.
    let read = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
    (read == 0).then_some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a thread of its own, after `change`.
    fn policy_after(change: fn()) -> Option<(i32, i32)> {
        let thread = std::thread::spawn(move || {
            change();
            read().map(|attributes| (attributes.policy.cast_signed(), attributes.nice))
        });
        thread.join().unwrap()
    }

    #[test]
    fn only_the_policy_changes_that_is_to() {
        let (policy, nice) = policy_after(|| {}).unwrap();
        // Whoever runs the tests may have been given another one, which stays.
        let batch = if policy == libc::SCHED_OTHER { libc::SCHED_BATCH } else { policy };
        let short: fn() = || shorten_slices(Duration::from_micros(300));
        assert_eq!(policy_after(short), Some((policy, nice)));
        assert_eq!(policy_after(wake_in_turn), Some((batch, nice)));
        let both: fn() = || {
            wake_in_turn();
            shorten_slices(Duration::from_micros(300));
        };
        assert_eq!(policy_after(both), Some((batch, nice)));
    }
}
