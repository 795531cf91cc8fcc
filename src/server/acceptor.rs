//! The one owner of a server's listening sockets: [`Acceptor`]. It counts each connection in the step in which it
//! accepts it, and hands it to the worker with the fewest open ones.

#[cfg(unix)]
use std::sync::Arc;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::time::{Instant, Sleep, sleep};

use super::{
    address::Address,
    handle::ServerName,
    listener::{Listener, ListenerPolicy},
    workers::Workers,
};
#[cfg(unix)]
use crate::os::socket_file::SocketFile;
use crate::os::{
    descriptors,
    listener::{self, Accepted, AsSocket, AsyncListener, accept_now},
    socket,
};

/// Accepts a server's connections, on one thread.
pub(super) struct Acceptor {
    server: ServerName,
    /// In the server's order; none where it was closed.
    listeners: Vec<Option<Listening>>,
    workers: Workers,
    /// The lowest number of a descriptor that a connection can have got.
    first_descriptor: Option<u64>,
    /// From this number on, no connection is accepted: the rest is for files, stores and workers.
    descriptors: Option<u64>,
    last_accept: Option<Instant>,
    /// Connections that workers get when the listening sockets are closed; none while they get them at once.
    held: Option<Vec<(Accepted, usize)>>,
    /// While it runs, nothing is accepted.
    pause: Option<Pin<Box<Sleep>>>,
    /// Not all connections in the queues could be accepted when that was tried last.
    leaves_backlog: bool,
    warnings: Warnings,
}

struct Listening {
    socket: AsyncListener,
    address: Address,
    policy: ListenerPolicy,
    #[cfg(unix)]
    file: Option<Arc<SocketFile>>,
    /// The kernel turns new connections away; those that have begun their handshake may still come.
    refuses: bool,
}

/// How long nothing is accepted after the system has refused a connection: it has no descriptor or no memory for it.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the acceptor looks for a closed connection while every worker has as many as it may have, or the process as
/// many descriptors.
const FULL_INTERVAL: Duration = Duration::from_millis(5);
/// How many connections are accepted before other tasks of the thread have their turn.
const BATCH: usize = 64;
/// How many descriptors connections leave to the rest of the process, at the most.
const RESERVED_DESCRIPTORS: u64 = 128;
/// How often a warning of the same kind is logged.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

impl Acceptor {
    /// Watches the listening sockets on the current thread's runtime.
    pub(super) fn new(server: ServerName, listeners: Vec<Listener>, workers: Workers) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(Listening::new).collect::<io::Result<Vec<_>>>()?;
        let first_descriptor = descriptors::next();
        Ok(Self {
            server,
            listeners: listeners.into_iter().map(Some).collect(),
            workers,
            first_descriptor,
            descriptors: descriptors_for_connections(first_descriptor),
            last_accept: None,
            held: None,
            pause: None,
            leaves_backlog: false,
            warnings: Warnings::default(),
        })
    }

    /// Accepts, hands over, and takes back from workers that are blocked. Never ready.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut budget = BATCH;
        self.workers.poll_recheck(cx);
        if self.is_paused(cx) {
            return Poll::Pending;
        }
        for index in 0..self.listeners.len() {
            while let Some(listening) = &self.listeners[index] {
                if budget == 0 {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                match listening.socket.poll_accept(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(accepted)) => {
                        budget -= 1;
                        self.hand_over(accepted, index);
                        self.workers.poll_recheck(cx);
                        if self.is_paused(cx) {
                            return Poll::Pending;
                        }
                    }
                    Poll::Ready(Err(error)) if is_the_clients(&error) => budget -= 1,
                    // It does not listen any more.
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => {
                        self.listeners[index] = None;
                    }
                    Poll::Ready(Err(error)) => {
                        self.warnings.warn(&self.server, &error);
                        // The limit may have been lowered.
                        self.descriptors = descriptors_for_connections(self.first_descriptor);
                        self.pause = Some(Box::pin(sleep(PAUSE)));
                        let _ = self.is_paused(cx);
                        return Poll::Pending;
                    }
                }
            }
        }
        Poll::Pending
    }

    fn hand_over(&mut self, accepted: Accepted, listener: usize) {
        self.last_accept = Some(Instant::now());
        let is_last = |number| self.descriptors.is_some_and(|limit| u64::from(number) >= limit);
        let was_last = socket::number(&accepted.socket).is_some_and(is_last);
        match &mut self.held {
            Some(held) => held.push((accepted, listener)),
            None => self.workers.hand_over(accepted.socket, accepted.peer, listener),
        }
        if was_last || self.workers.are_full() {
            self.pause = Some(Box::pin(sleep(FULL_INTERVAL)));
        }
    }

    fn is_paused(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(timer) = &mut self.pause {
            if timer.as_mut().poll(cx).is_pending() {
                return true;
            }
            self.pause = self.is_full().then(|| Box::pin(sleep(FULL_INTERVAL)));
        }
        false
    }

    fn is_full(&self) -> bool {
        let too_many = |limit| descriptors::next().is_none_or(|next| next >= limit);
        self.workers.are_full() || self.descriptors.is_some_and(too_many)
    }

    /// True if no client can be expected: none is in a queue, and none has come within so long.
    pub(super) fn is_quiet(&self, window: Duration) -> bool {
        let lately = self.last_accept.is_some_and(|last| last.elapsed() < window);
        !lately && !socket::have_no_pending_input(&self.numbers()).contains(&false)
    }

    /// The numbers of the sockets that it listens on.
    pub(super) fn numbers(&self) -> Vec<socket::Number> {
        self.listeners.iter().flatten().filter_map(|listening| socket::number(&listening.socket)).collect()
    }

    /// Leaves the sockets of this policy, and what is in their queues, to the next process.
    pub(super) fn leave(&mut self, policy: ListenerPolicy) {
        for listener in &mut self.listeners {
            if listener.as_ref().is_some_and(|listening| listening.policy == policy) {
                *listener = None;
            }
        }
    }

    /// Turns new connections away, and accepts those in the queues. Returns false if a listening socket cannot do so
    /// without being closed.
    pub(super) fn refuse(&mut self) -> bool {
        self.leave(ListenerPolicy::LeaveWhenRejecting);
        self.leave(ListenerPolicy::LeaveWhenClosing);
        for listening in self.listeners.iter_mut().flatten() {
            listening.refuse();
        }
        self.accept_backlog();
        // A Unix socket's connection is in the queue as soon as its client has it: there is none to wait for.
        for listener in &mut self.listeners {
            if listener
                .as_ref()
                .is_some_and(|listening| listening.refuses && listening.address.tcp().is_none())
            {
                *listener = None;
            }
        }
        self.listeners.iter().flatten().all(|listening| listening.refuses)
    }

    /// Accepts every connection in the queues, as far as there are descriptors.
    pub(super) fn accept_backlog(&mut self) {
        self.leaves_backlog = false;
        for index in 0..self.listeners.len() {
            if let Some(listening) = self.listeners[index].take() {
                self.accept_all(&listening.socket, index);
                self.listeners[index] = Some(listening);
            }
        }
    }

    /// Accepts every connection in one queue.
    fn accept_all(&mut self, socket: &impl AsSocket, listener: usize) {
        loop {
            match accept_now(socket) {
                Ok(None) => return,
                Ok(Some(accepted)) => self.hand_over(accepted, listener),
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    self.warnings.warn(&self.server, &error);
                    self.leaves_backlog = true;
                    self.pause = Some(Box::pin(sleep(PAUSE)));
                    return;
                }
            }
        }
    }

    /// From now on connections are accepted, and wait for their answers until the listening sockets are closed: a client
    /// that has no answer opens no other connection in return for it.
    pub(super) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Accepts every connection in the queues, and closes the listening sockets. Where descriptors were missing for the
    /// queues before, it does not try again: those that have become free are for the flush of the exit.
    pub(super) fn close(&mut self) {
        let leaves_backlog = self.leaves_backlog;
        for (index, listening) in std::mem::take(&mut self.listeners).into_iter().enumerate() {
            // Not watched any more: nothing is done between the last look into a queue and the end of its socket.
            let Some(Ok(socket)) = listening.map(|listening| listening.socket.into_socket()) else {
                continue;
            };
            if !leaves_backlog {
                self.accept_all(&socket, index);
            }
        }
        for (accepted, listener) in self.held.take().into_iter().flatten() {
            self.workers.hand_over(accepted.socket, accepted.peer, listener);
        }
    }

    /// Ends the workers. Each first serves the connections that it was given.
    pub(super) fn end_workers(&mut self) {
        self.workers.end();
    }
}

impl Listening {
    fn new(listener: Listener) -> io::Result<Self> {
        Ok(Self {
            socket: AsyncListener::new(listener.socket)?,
            address: listener.address,
            policy: listener.policy,
            #[cfg(unix)]
            file: listener.file,
            refuses: false,
        })
    }

    fn refuse(&mut self) {
        #[cfg(unix)]
        drop(self.file.take());
        self.refuses = match self.address {
            Address::Tcp(_) => listener::refuse_new(&self.socket),
            Address::Unix(_) => listener::shut(&self.socket),
        };
    }
}

/// The lowest number of a descriptor that connections leave to the rest of the process, if `first` is the lowest that
/// they get.
fn descriptors_for_connections(first: Option<u64>) -> Option<u64> {
    let limit = descriptors::limit()?;
    let free = limit.saturating_sub(first?);
    Some(limit - RESERVED_DESCRIPTORS.min(free / 2))
}

/// True if the failure is that of one connection, and the next may be accepted at once.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// One warning each ten seconds, with a count of those between.
#[derive(Debug, Default)]
struct Warnings {
    last: Option<Instant>,
    left_out: u64,
}

impl Warnings {
    fn warn(&mut self, server: &str, error: &io::Error) {
        if self.last.is_some_and(|last| last.elapsed() < WARNING_INTERVAL) {
            self.left_out += 1;
            return;
        }
        let left_out = std::mem::take(&mut self.left_out);
        let more = if left_out > 0 { format!(" ({left_out} more since the last)") } else { String::new() };
        log::warn!(
            event = "accept_failed", server = server, error:% = error, left_out = left_out;
            "server {server} cannot accept a connection: {error}{more}"
        );
        self.last = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests;
