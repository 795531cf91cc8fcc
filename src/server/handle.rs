//! A server from outside: [`Handle`].

use std::{fmt, sync::Arc};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::lifecycle::{Change, Lifecycle};
use crate::{
    drain::Drain,
    os::socket,
    sync::{Mutex, lock},
};

/// A server's name.
pub type ServerName = Arc<str>;

/// A server from outside: what it is doing, and what has been asked of it. Cheap to clone; for any thread.
#[derive(Clone)]
pub struct Handle {
    name: ServerName,
    drain: Drain,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lifecycle: watch::Sender<Lifecycle>,
    /// Cancelled when nothing of it is needed any more.
    dispose: CancellationToken,
    /// The numbers of the sockets that it listens on.
    listeners: Mutex<Vec<socket::Number>>,
}

impl Handle {
    pub(crate) fn new(name: ServerName, drain: Drain) -> Self {
        let shared = Shared {
            lifecycle: watch::Sender::new(Lifecycle::Serving),
            dispose: CancellationToken::new(),
            listeners: Mutex::default(),
        };
        Self { name, drain, shared: Arc::new(shared) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ServerName {
        &self.name
    }

    /// Its gate and its connections.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Requests in flight when rejecting began.
    #[must_use]
    pub fn in_flight_at_reject(&self) -> u64 {
        self.drain.gate.in_flight_at_reject()
    }

    /// How many connections stay open until the exit is over; see
    /// [`Connection::pin_until_exit`](crate::drain::Connection::pin_until_exit).
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.drain.connections.pinned()
    }

    /// Where it is in its life.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        *self.shared.lifecycle.borrow()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Lifecycle> {
        self.shared.lifecycle.subscribe()
    }

    /// Tells those that [watch for changes](Self::changes), if it is one.
    pub(super) fn change(&self, change: Change) {
        self.shared.lifecycle.send_if_modified(|lifecycle| {
            let before = std::mem::replace(lifecycle, lifecycle.after(change));
            before != *lifecycle
        });
    }

    pub(super) fn listens_on(&self, listeners: Vec<socket::Number>) {
        *lock(&self.shared.listeners) = listeners;
    }

    /// True if no connection is waited for, neither an open one nor one in a listening socket's queue. Once the server
    /// has closed this may change to false: a client that was in the middle of a handshake ends it, and may have a
    /// request to be answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let listeners = lock(&self.shared.listeners);
        self.drain.connections.awaited() == 0 && !socket::have_no_pending_input(&listeners).contains(&false)
    }

    /// Rejects requests from now on. [`RunningServer::reject`] then does what else belongs to it.
    ///
    /// [`RunningServer::reject`]: super::running::RunningServer::reject
    pub(crate) fn reject_requests(&self) {
        self.change(Change::Reject);
        self.drain.gate.reject();
    }

    /// As when a worker is lost.
    #[cfg(test)]
    pub(crate) fn fail(&self) {
        self.change(Change::WorkerLost);
    }

    /// Disposes of a closed server, for which nothing waits any more: its listening sockets are closed, its
    /// workers drop the application, and the connections that were left open close.
    pub fn dispose(&self) {
        self.shared.dispose.cancel();
    }

    pub(super) async fn disposed_of(&self) {
        self.shared.dispose.cancelled().await;
    }

    /// Resolves when nothing of it listens any more.
    pub(crate) async fn stopped(&self) {
        // An error would be its sender's end, which this handle is part of.
        let _ = self.changes().wait_for(|lifecycle| *lifecycle == Lifecycle::Stopped).await;
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn its_end_is_told_and_no_earlier_change() {
        let handle = Handle::new("web".into(), Drain::new(1));
        let mut stopped = pin!(handle.stopped());
        let mut cx = Context::from_waker(Waker::noop());
        for change in [Change::Reject, Change::Close, Change::NothingAwaited] {
            handle.change(change);
            assert!(stopped.as_mut().poll(&mut cx).is_pending(), "{change:?}");
        }
        handle.change(Change::Stop);
        assert!(stopped.poll(&mut cx).is_ready());
    }

    #[cfg(unix)]
    #[test]
    fn a_client_in_the_queue_of_a_listening_socket_is_waited_for() -> std::io::Result<()> {
        let handle = Handle::new("web".into(), Drain::new(1));
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        handle.listens_on(socket::number(&listener).into_iter().collect());
        assert!(handle.is_empty());
        let _client = std::net::TcpStream::connect(listener.local_addr()?)?;
        // The kernel may put it into the queue a moment later.
        let begun = std::time::Instant::now();
        while handle.is_empty() && begun.elapsed().as_secs() < 60 {
            std::thread::yield_now();
        }
        assert!(!handle.is_empty());
        handle.listens_on(Vec::new());
        assert!(handle.is_empty());
        Ok(())
    }
}
