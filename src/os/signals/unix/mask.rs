//! The calling thread's signal mask: what is blocked stays pending.

use std::{
    mem::MaybeUninit,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use libc::{c_int, sigset_t};

use super::{super::name::SignalName, number::number};

/// What [`block`] has blocked, a bit a signal number.
static BLOCKED: AtomicU64 = AtomicU64::new(0);

/// Blocks every signal that could start the exit in the calling thread, so that one which arrives before
/// [`Signals::install`](crate::os::signals::Signals::install) stays pending instead of killing the process.
///
/// To be called first in `main`; threads started afterwards inherit it. Does nothing on Windows, which has no such thing.
pub fn block() {
    for &name in SignalName::ALL {
        let Some(signal) = number(name) else { continue };
        let was_blocked = change_mask(libc::SIG_BLOCK, signal);
        if !was_blocked {
            BLOCKED.fetch_or(1 << signal, SeqCst);
        }
    }
}

/// Unblocks what [`block`] has blocked, for a program that only prints something and ends: a pending signal has its
/// default effect.
pub fn unblock() {
    let blocked = BLOCKED.swap(0, SeqCst);
    for &name in SignalName::ALL {
        match number(name) {
            Some(signal) if blocked & (1 << signal) != 0 => {
                change_mask(libc::SIG_UNBLOCK, signal);
            }
            _ => {}
        }
    }
}

/// Blocks or unblocks `signal` in the calling thread, and tells whether it was blocked.
pub(super) fn change_mask(how: c_int, signal: c_int) -> bool {
    let mut set = MaybeUninit::<sigset_t>::zeroed();
    let mut before = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: both sets are ours; `sigemptyset` initializes the first, `pthread_sigmask` the second. With a valid `how` and signal none can fail.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(how, set.as_ptr(), before.as_mut_ptr());
        libc::sigismember(before.as_ptr(), signal) == 1
    }
}
