//! Atomics, locks and waits under one name: `.ci/loom` compiles the drain and the acceptor with loom's in their place,
//! and tries every order in which threads can meet.

pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

use std::{pin::pin, sync::PoisonError};

pub(crate) use tokio::sync::Notify;

/// Locks a mutex, also one that is poisoned: no panic in this crate leaves what a mutex holds half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Resolves when `reached` returns true: it is asked at once, and after each [`Notify::notify_waiters`].
pub(crate) async fn until(changed: &Notify, reached: impl Fn() -> bool) {
    loop {
        let mut notified = pin!(changed.notified());
        // From here on no change is missed.
        notified.as_mut().enable();
        if reached() {
            return;
        }
        notified.await;
    }
}
