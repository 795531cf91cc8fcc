//! The one owner of a server's listening sockets: [`Acceptor`]. It counts each connection in the step in which it
//! accepts it, and hands it to the worker with the fewest open ones.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::time::{Instant, Sleep, sleep};
use socket2::Socket;

use super::{
    address::Address,
    balance::{BLOCKED_AFTER, Load, choose},
    handle::ServerName,
    inbox::Inbox,
    listener::{Listener, ListenerPolicy},
};
#[cfg(unix)]
use crate::os::socket_file::SocketFile;
use crate::{
    drain::{ConnectionGuard, Drain},
    os::{
        descriptors,
        listener::{self, Accepted, AsyncListener},
        socket,
    },
};

/// A connection on its way to a worker.
#[derive(Debug)]
pub(super) struct HandOver {
    pub(super) socket: Socket,
    pub(super) peer: Option<SocketAddr>,
    /// Which of the server's listening sockets it came by.
    pub(super) listener: usize,
    pub(super) guard: ConnectionGuard,
}

/// Accepts a server's connections, on one thread. See the module.
pub(super) struct Acceptor {
    server: ServerName,
    drain: Drain,
    /// In the server's order; none where it was closed.
    listeners: Vec<Option<Listening>>,
    workers: Vec<WorkerLink>,
    /// The most open connections of each worker.
    max_connections: usize,
    /// From this number of a descriptor on, no connection is accepted: the rest is for files, stores and workers.
    descriptors: Option<u64>,
    /// The worker that is asked first.
    next: usize,
    last_accept: Option<Instant>,
    /// Why nothing is accepted at present.
    pause: Option<Pause>,
    /// When the workers are looked at again; none while none has anything to pick up.
    recheck: Option<Pin<Box<Sleep>>>,
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

/// A worker, as the acceptor knows it. The worker ends when this is dropped.
pub(super) struct WorkerLink {
    inbox: Arc<Inbox<HandOver>>,
    /// Since when it has not picked up what it was given, and its progress then: how many times it has looked, and the
    /// requests that it has begun or finished.
    unanswered: Option<(Instant, (u64, u64))>,
    gone: bool,
}

enum Pause {
    /// The system would not give a descriptor, or whatever else it lacks.
    Exhausted(Pin<Box<Sleep>>),
    /// Every worker has as many connections as it may have, or the process as many descriptors.
    Full(Pin<Box<Sleep>>),
}

/// How long nothing is accepted after the system has refused.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it is seen whether a connection has closed, when as many are open as may be.
const FULL_INTERVAL: Duration = Duration::from_millis(5);
/// How often a worker that has something to pick up is looked at.
const RECHECK_INTERVAL: Duration = Duration::from_millis(1);
/// How many connections are accepted before other tasks of the thread have their turn.
const BATCH: usize = 64;
/// How many descriptors connections leave to the rest of the process, at the most.
const RESERVED_DESCRIPTORS: u64 = 128;
/// How often a warning of the same kind is logged.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

impl Acceptor {
    /// Watches the listening sockets on the current thread's runtime.
    pub(super) fn new(
        server: ServerName,
        drain: Drain,
        listeners: Vec<Listener>,
        workers: Vec<WorkerLink>,
        max_connections: Option<usize>,
    ) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(Listening::new).collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            server,
            drain,
            listeners: listeners.into_iter().map(Some).collect(),
            workers,
            max_connections: max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS),
            descriptors: descriptors_for_connections(),
            next: 0,
            last_accept: None,
            pause: None,
            recheck: None,
            warnings: Warnings::default(),
        })
    }

    /// Accepts, hands over, and takes back from workers that are blocked. Never ready.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut budget = BATCH;
        self.poll_recheck(cx);
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
                        self.poll_recheck(cx);
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
                        self.pause = Some(Pause::Exhausted(Box::pin(sleep(PAUSE))));
                        let _ = self.is_paused(cx);
                        return Poll::Pending;
                    }
                }
            }
        }
        Poll::Pending
    }

    /// Counts a connection, and hands it to a worker, in one step.
    fn hand_over(&mut self, accepted: Accepted, listener: usize) {
        let Accepted { socket, peer } = accepted;
        let number = socket::number(&socket);
        self.last_accept = Some(Instant::now());
        if self.descriptors.zip(number).is_some_and(|(limit, number)| u64::from(number) >= limit) {
            self.pause = Some(Pause::Full(Box::pin(sleep(FULL_INTERVAL))));
        }
        // One that is accepted while every worker is full belongs to the fewest all the same.
        let Some(worker) = self.choose(false).or_else(|| self.choose(true)) else { return };
        let guard = self.drain.connections.register(worker);
        if let Some(number) = number {
            guard.connection().set_socket(number);
        }
        self.push(worker, HandOver { socket, peer, listener, guard });
        if self.choose(false).is_none() {
            self.pause = Some(Pause::Full(Box::pin(sleep(FULL_INTERVAL))));
        }
    }

    fn push(&mut self, mut worker: usize, mut hand_over: HandOver) {
        loop {
            match self.workers[worker].inbox.push(hand_over) {
                Ok(()) => break,
                Err(back) => {
                    self.workers[worker].gone = true;
                    let Some(other) = self.choose(true) else { return };
                    worker = other;
                    hand_over = HandOver { guard: back.guard.moved_to(other), ..back };
                }
            }
        }
        self.next = worker + 1;
        if self.recheck.is_none() {
            self.recheck = Some(Box::pin(sleep(RECHECK_INTERVAL)));
        }
    }

    /// The worker that gets the next connection; `full` ones are asked as well if need be.
    fn choose(&self, full: bool) -> Option<usize> {
        let load = |(shard, worker): (usize, &WorkerLink)| {
            let open = self.drain.connections.open_on(shard);
            let takes = !worker.gone && (full || open < self.max_connections);
            Load { open, blocked: worker.is_blocked(), takes }
        };
        let loads: Vec<_> = self.workers.iter().enumerate().map(load).collect();
        choose(self.next, &loads)
    }

    /// Looks at the workers when it is time to, as long as one of them has something to pick up.
    fn poll_recheck(&mut self, cx: &mut Context<'_>) {
        while let Some(timer) = &mut self.recheck {
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            let waits = self.take_back_from_blocked();
            self.recheck = waits.then(|| Box::pin(sleep(RECHECK_INTERVAL)));
        }
    }

    /// Gives what a blocked worker has not picked up to one that is not. Returns false if there is nothing to be picked
    /// up any more.
    fn take_back_from_blocked(&mut self) -> bool {
        let now = Instant::now();
        let mut waits = false;
        for (shard, worker) in self.workers.iter_mut().enumerate() {
            worker.gone |= worker.inbox.is_abandoned();
            let Some(looks) = worker.inbox.looks_if_unanswered().filter(|_| !worker.gone) else {
                worker.unanswered = None;
                continue;
            };
            waits = true;
            let progress = (looks, self.drain.gate.progress(shard));
            if worker.unanswered.is_none_or(|(_, before)| before != progress) {
                worker.unanswered = Some((now, progress));
            }
        }
        for blocked in 0..self.workers.len() {
            while self.workers[blocked].is_stuck() {
                let free = self.choose(false).filter(|&other| !self.workers[other].is_stuck());
                let Some(other) = free else { break };
                let Some(back) = self.workers[blocked].inbox.take_back() else { break };
                let guard = back.guard.moved_to(other);
                self.push(other, HandOver { guard, ..back });
            }
        }
        waits
    }

    fn is_paused(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let (timer, full) = match &mut self.pause {
                None => return false,
                Some(Pause::Exhausted(timer)) => (timer, false),
                Some(Pause::Full(timer)) => (timer, true),
            };
            if timer.as_mut().poll(cx).is_pending() {
                return true;
            }
            let still_full = full && self.is_full();
            self.pause = still_full.then(|| Pause::Full(Box::pin(sleep(FULL_INTERVAL))));
        }
    }

    fn is_full(&self) -> bool {
        let too_many = |limit| descriptors::next().is_none_or(|next| next >= limit);
        self.choose(false).is_none() || self.descriptors.is_some_and(too_many)
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

    /// Accepts every connection in the queues.
    pub(super) fn accept_backlog(&mut self) {
        for index in 0..self.listeners.len() {
            while let Some(listening) = &self.listeners[index] {
                match listening.socket.accept_now() {
                    Ok(None) => break,
                    Ok(Some(accepted)) => self.hand_over(accepted, index),
                    Err(error) if is_the_clients(&error) => {}
                    Err(error) => {
                        self.warnings.warn(&self.server, &error);
                        break;
                    }
                }
            }
        }
    }

    /// Accepts every connection in the queues, and closes the listening sockets.
    pub(super) fn close(&mut self) {
        self.accept_backlog();
        self.listeners.clear();
    }

    /// Lets the workers end when they have begun to serve what they have got.
    pub(super) fn end_workers(&mut self) {
        self.workers.clear();
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

impl WorkerLink {
    pub(super) fn new(inbox: Arc<Inbox<HandOver>>) -> Self {
        Self { inbox, unanswered: None, gone: false }
    }

    /// It does not pick up what it is given.
    fn is_stuck(&self) -> bool {
        self.gone || self.is_blocked()
    }

    fn is_blocked(&self) -> bool {
        self.unanswered.is_some_and(|(since, _)| since.elapsed() >= BLOCKED_AFTER)
    }
}

impl Drop for WorkerLink {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// As many as `HttpServer` allows each worker.
const DEFAULT_MAX_CONNECTIONS: usize = 25_600;

/// The lowest number of a descriptor that connections leave to the rest of the process.
fn descriptors_for_connections() -> Option<u64> {
    let (limit, used) = (descriptors::limit()?, descriptors::next()?);
    let free = limit.saturating_sub(used);
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
        match std::mem::take(&mut self.left_out) {
            0 => log::warn!("server {server} cannot accept a connection: {error}"),
            more => {
                log::warn!(
                    "server {server} cannot accept a connection: {error} ({more} more since the last)"
                );
            }
        }
        self.last = Some(Instant::now());
    }
}
