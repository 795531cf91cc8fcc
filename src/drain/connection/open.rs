//! How many connections of a server are open, and which of them its close waits for.

use crate::sync::{AtomicUsize, Notify, Ordering, until};

/// Counts of a server's open connections.
#[derive(Debug, Default)]
pub(super) struct OpenCount {
    /// Open connections that the server's close waits for.
    awaited: AtomicUsize,
    /// Open connections that stay until their answer or the process ends.
    pinned: AtomicUsize,
    changed: Notify,
}

impl OpenCount {
    pub(super) fn awaited(&self) -> usize {
        self.awaited.load(Ordering::Acquire)
    }

    pub(super) fn pinned(&self) -> usize {
        self.pinned.load(Ordering::Acquire)
    }

    pub(super) fn opened(&self) {
        self.awaited.fetch_add(1, Ordering::AcqRel);
    }

    /// The server's close no longer waits for one of them.
    pub(super) fn detached(&self) {
        if self.awaited.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.changed.notify_waiters();
        }
    }

    pub(super) fn pin(&self) {
        self.pinned.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn unpin(&self) {
        self.pinned.fetch_sub(1, Ordering::AcqRel);
    }

    /// Resolves when no connection is waited for.
    pub(super) async fn none_awaited(&self) {
        until(&self.changed, || self.awaited() == 0).await;
    }
}
