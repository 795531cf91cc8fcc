//! A server at work: [`RunningServer`] accepts, and closes without losing a request.

use std::{cell::RefCell, future::poll_fn, io, pin::pin, rc::Rc, time::Duration};

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    acceptor::Acceptor, bound::StartedServer, handle::Handle, lifecycle::Change, listener::ListenerPolicy,
};
use crate::{
    drain::{ConnectionClass, Drain},
    os::socket::have_no_pending_input,
    sequence::Timeouts,
};

/// A server at work, owned by one thread.
pub(crate) struct RunningServer {
    handle: Handle,
    timeouts: Timeouts,
    acceptor: RefCell<Acceptor>,
}

/// A connection that was opened or used within this time is recent: a request may be on its way.
const RECENT: Duration = Duration::from_secs(1);

/// How many idle connections stay open while requests in flight are waited for. Closing one takes a worker some ten
/// microseconds.
const MAX_IDLE_DURING_DRAIN: usize = 256;

/// When a connection came within this time, another client may be in the middle of its handshake. Where the kernel does
/// not turn connections away, they are held for so long before the listening sockets are closed.
const HANDSHAKE_WINDOW: Duration = Duration::from_millis(20);

/// How long a handshake takes at the most, on a machine that is busy or a network that is near.
const HANDSHAKE: Duration = Duration::from_millis(2);

/// How long a connection's task may be polled, before the connection is looked at again.
const RECHECK_INTERVAL: Duration = Duration::from_millis(1);

/// How long an endless answer may take to end once it is told, at the least.
const STREAM_END_TIMEOUT: Duration = Duration::from_millis(100);

/// No connection is left that could bring a request or get an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl RunningServer {
    /// Begins to watch the listening sockets, on the current thread's runtime.
    pub(crate) fn new(started: StartedServer, timeouts: Timeouts) -> io::Result<Rc<Self>> {
        let StartedServer { handle, listeners, workers } = started;
        let acceptor = Acceptor::new(handle.name().clone(), listeners, workers)?;
        handle.listens_on(acceptor.numbers());
        Ok(Rc::new(Self { handle, timeouts, acceptor: RefCell::new(acceptor) }))
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Accepts until the server is [disposed](Handle::dispose) of. Connections are accepted while it closes, and when
    /// it has closed, as far as the kernel lets any come.
    pub(crate) async fn accept(self: Rc<Self>) {
        tokio::select! {
            biased;
            () = self.handle.disposed_of() => {}
            () = poll_fn(|cx| self.acceptor.borrow_mut().poll(cx)) => {}
        }
        let mut acceptor = self.acceptor.borrow_mut();
        acceptor.close();
        self.handle.listens_on(Vec::new());
        acceptor.end_workers();
        self.handle.drain().connections.close_when_idle(RECENT, |_| true);
        self.handle.change(Change::Stop);
    }

    /// From now on each answer says `Connection: close`.
    pub(crate) fn enter_lame_duck(&self) {
        self.handle.change(Change::EnterLameDuck);
        self.handle.drain().gate.close_connections();
        #[cfg(feature = "http2")]
        self.handle.drain().connections.wake_multiplexed();
    }

    /// From now on requests are rejected, and new connections on an inherited socket left to the next process.
    ///
    /// Connections stay open, however long they have been unused: a request on one gets its rejection. Only of very
    /// many some are closed: the idle ones above 256, whose closing would delay the end.
    ///
    /// Endless answers are told to end; a WebSocket's client has the keep-alive grace to answer.
    pub(crate) fn reject(&self, timeout: Duration) {
        self.handle.reject_requests();
        self.handle.drain().streams.tell(self.keep_alive_grace(timeout));
        #[cfg(feature = "http2")]
        self.handle.drain().connections.wake_multiplexed();
        self.acceptor.borrow_mut().leave(ListenerPolicy::LeaveWhenRejecting);
        let mut idle = 0;
        self.handle.drain().connections.close_when_idle(RECENT, |class| {
            idle += usize::from(class == ConnectionClass::Idle);
            class == ConnectionClass::Idle && idle > MAX_IDLE_DURING_DRAIN
        });
    }

    /// Resolves when no request is in flight. Endless answers that have been told to end and do not, because their clients
    /// do not read, are not waited for.
    pub(crate) async fn drained(&self, timeout: Duration) {
        let Drain { gate, connections, .. } = self.handle.drain();
        let timeout = STREAM_END_TIMEOUT.max(self.keep_alive_grace(timeout).saturating_mul(2));
        if timeout_at(in_future(timeout), gate.drained()).await.is_err() {
            connections.give_up_endless();
            gate.drained().await;
        }
    }

    /// Closes it. The order is what makes it lose nothing:
    ///
    /// 1. Idle connections are not waited for any more, unless a request is found in them.
    /// 2. New connections are refused, and those in the queues accepted. Where a client may be in the middle of a
    ///    handshake, it is given time to end it: some connection is in use, whose client could open another one, or one
    ///    was opened within the last 20 ms.
    /// 3. Connections whose request was abandoned are cut.
    /// 4. The others stay open until each has had its last answer, which says `Connection: close`; at most until
    ///    the keep-alive grace has passed since the beginning. Then they are not waited for any more, and a request
    ///    that was sent up to this instant is still answered, within the keep-alive grace once more, or for as long as
    ///    connections close in each such time. A handshake that is in progress may take until two thirds of the timeout
    ///    have passed, and its client has the keep-alive grace for its first request.
    /// 5. Refused uploads are read on, at most until two thirds of the timeout have passed: a connection that is closed
    ///    with unread data in it is reset, and its client may never see the answer.
    ///
    /// Does not end by itself at the timeout; the caller sees to that, because a blocked worker cannot respond. What is
    /// left of the server then could neither bring a request nor get an answer, and is for [`Handle::dispose`].
    pub(crate) async fn close(&self, timeout: Duration) -> Closed {
        let keep_alive_grace = self.keep_alive_grace(timeout);
        let (grace_ends, ends) = (in_future(keep_alive_grace), in_future(timeout / 3 * 2));
        let connections = &self.handle.drain().connections;
        self.handle.change(Change::Close);
        let mut in_use = false;
        let idle = |class| {
            in_use |= !matches!(class, ConnectionClass::Idle | ConnectionClass::Closing);
            class == ConnectionClass::Idle
        };
        let mut asked_all = connections.detach(RECENT, idle, have_no_pending_input);
        let expected = in_use || !self.acceptor.borrow().is_quiet(HANDSHAKE_WINDOW);
        let has_to_close = !self.acceptor.borrow_mut().refuse();
        connections.abort(RECENT, |class| class == ConnectionClass::Active);
        let none_awaited = async {
            if has_to_close {
                self.close_when_quiet(expected).await;
            } else if expected {
                sleep(HANDSHAKE).await;
                self.acceptor.borrow_mut().accept_backlog();
            }
            while !asked_all {
                sleep(RECHECK_INTERVAL).await;
                let idle = |class| class == ConnectionClass::Idle;
                asked_all = connections.detach(RECENT, idle, have_no_pending_input);
            }
            connections.none_awaited().await;
        };
        if timeout_at(grace_ends, none_awaited).await.is_err() {
            if has_to_close {
                self.acceptor.borrow_mut().close();
            }
            let mut detached = pin!(self.detach_all(keep_alive_grace));
            let mut is_over = timeout_at(Instant::now(), &mut detached).await.is_ok();
            let mut left = usize::MAX;
            // While they get fewer, the others are closed as well: ten thousand of TLS take workers longer than the grace.
            while !is_over && connections.awaited() < left && Instant::now() < ends {
                left = connections.awaited();
                is_over = timeout_at(in_future(keep_alive_grace).min(ends), &mut detached).await.is_ok();
            }
            if !is_over {
                connections.abort(RECENT, |class| {
                    !matches!(class, ConnectionClass::Closing | ConnectionClass::Handshake)
                });
                if timeout_at(ends, detached).await.is_err() {
                    connections.abort(RECENT, |_| true);
                    connections.none_awaited().await;
                }
            }
        }
        self.handle.listens_on(self.acceptor.borrow().numbers());
        self.handle.change(Change::NothingAwaited);
        Closed
    }

    /// It is waited out twice, or while connections close: a third of the timeout is left to those that are cut.
    fn keep_alive_grace(&self, timeout: Duration) -> Duration {
        self.timeouts.keep_alive_grace.min(timeout / 3)
    }

    /// Waits for no connection any more that has no pending input, and resolves when none is waited for. One whose
    /// handshake is in progress is waited for until its client has had the keep-alive grace for its first request.
    async fn detach_all(&self, keep_alive_grace: Duration) {
        let connections = &self.handle.drain().connections;
        loop {
            let mut handshakes = false;
            let is_over = |class| {
                handshakes |= class == ConnectionClass::Handshake;
                class != ConnectionClass::Handshake
            };
            connections.detach(keep_alive_grace, is_over, have_no_pending_input);
            if !handshakes {
                return connections.none_awaited().await;
            }
            if timeout(RECHECK_INTERVAL, connections.none_awaited()).await.is_ok() {
                return;
            }
        }
    }

    /// Where the kernel cannot turn new connections away: closes the listening sockets at a moment when none comes.
    ///
    /// Until then those that come are accepted and have to wait: a client that gets its rejection may open the next
    /// connection at once, and many of them together leave no such moment. A connection whose handshake is not over at
    /// that moment is reset, and its client may have sent a request; no system call of a system without such help tells
    /// of one.
    async fn close_when_quiet(&self, expected: bool) {
        if expected {
            self.acceptor.borrow_mut().hold();
            sleep(HANDSHAKE_WINDOW).await;
            while !self.acceptor.borrow().is_quiet(HANDSHAKE) {
                sleep(RECHECK_INTERVAL).await;
            }
        }
        self.acceptor.borrow_mut().close();
    }
}

/// The instant after this time; one that is not reached, if no instant is that late.
fn in_future(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(1 << 30))
}

#[cfg(test)]
mod tests;
