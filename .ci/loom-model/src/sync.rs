//! `src/sync.rs` with loom's atomics, locks and waits.

pub(crate) use std::sync::Arc;

pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics in a model")
}

/// Tells waiting threads, as tokio's does.
#[derive(Debug)]
pub(crate) struct Notify {
    lock: Mutex<()>,
    told: loom::sync::Condvar,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self { lock: Mutex::new(()), told: loom::sync::Condvar::new() }
    }

    pub(crate) fn notify_waiters(&self) {
        drop(lock(&self.lock));
        self.told.notify_all();
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

/// Blocks the thread in place of its task.
pub(crate) async fn until(changed: &Notify, reached: impl Fn() -> bool) {
    let mut held = lock(&changed.lock);
    while !reached() {
        held = changed.told.wait(held).expect("no thread panics in a model");
    }
}
