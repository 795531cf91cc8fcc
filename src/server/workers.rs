//! The workers of a server, as its acceptor knows them: [`Workers`].

use std::{net::SocketAddr, pin::Pin, sync::Arc, task::Context, time::Duration};

use actix_rt::time::{Instant, Sleep, sleep};
use socket2::Socket;

use super::{
    balance::{BLOCKED_AFTER, Load, choose},
    inbox::Inbox,
};
use crate::{
    drain::{ConnectionGuard, Drain},
    os::socket,
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

/// Gives each connection to the worker with the fewest open ones, and takes back what a blocked one has not picked up.
pub(super) struct Workers {
    drain: Drain,
    links: Vec<WorkerLink>,
    /// The most open connections of each worker.
    max_connections: usize,
    /// The worker that is asked first.
    next: usize,
    /// When the workers are looked at again; none while none has anything to pick up.
    recheck: Option<Pin<Box<Sleep>>>,
}

/// One worker. It ends when this is dropped.
struct WorkerLink {
    inbox: Arc<Inbox<HandOver>>,
    /// Since when it has not picked up what it was given, and its progress then: how many times it has looked, and the
    /// requests that it has begun or finished.
    unanswered: Option<(Instant, (u64, u64))>,
    gone: bool,
}

/// As many as `HttpServer` allows each worker.
const DEFAULT_MAX_CONNECTIONS: usize = 25_600;
/// How often a worker that has something to pick up is looked at.
const RECHECK_INTERVAL: Duration = Duration::from_millis(5);

impl Workers {
    /// Without workers; see [`Workers::add`].
    pub(super) fn new(drain: Drain, max_connections: Option<usize>) -> Self {
        let max_connections = max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS);
        Self { drain, links: Vec::new(), max_connections, next: 0, recheck: None }
    }

    /// Adds a worker. Returns its inbox.
    pub(super) fn add(&mut self) -> Arc<Inbox<HandOver>> {
        let inbox = Arc::new(Inbox::new());
        self.links.push(WorkerLink { inbox: Arc::clone(&inbox), unanswered: None, gone: false });
        inbox
    }

    /// True if each has as many connections as it may have.
    pub(super) fn are_full(&self) -> bool {
        !(0..self.links.len()).any(|shard| self.load(shard, false).takes)
    }

    /// Counts a connection, and hands it to a worker, in one step.
    pub(super) fn hand_over(&mut self, socket: Socket, peer: Option<SocketAddr>, listener: usize) {
        // One that is accepted while every worker is full belongs to the fewest all the same.
        let Some(worker) = self.choose(false).or_else(|| self.choose(true)) else { return };
        let guard = self.drain.connections.register(worker);
        if let Some(number) = socket::number(&socket) {
            guard.connection().set_socket(number);
        }
        self.push(worker, HandOver { socket, peer, listener, guard });
    }

    fn push(&mut self, mut worker: usize, mut hand_over: HandOver) {
        loop {
            match self.links[worker].inbox.push(hand_over) {
                Ok(()) => break,
                Err(back) => {
                    self.links[worker].gone = true;
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
        choose(self.next, self.links.len(), |shard| self.load(shard, full))
    }

    fn load(&self, shard: usize, full: bool) -> Load {
        let (worker, open) = (&self.links[shard], self.drain.connections.open_on(shard));
        let takes = !worker.gone && (full || open < self.max_connections);
        Load { open, blocked: worker.is_blocked(), takes }
    }

    /// Looks at the workers when it is time to, as long as one of them has something to pick up.
    pub(super) fn poll_recheck(&mut self, cx: &mut Context<'_>) {
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
        for (shard, worker) in self.links.iter_mut().enumerate() {
            worker.gone = worker.inbox.is_abandoned();
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
        for blocked in 0..self.links.len() {
            while self.links[blocked].is_stuck() {
                let free = self.choose(false).filter(|&other| !self.links[other].is_stuck());
                let Some(other) = free else { break };
                let Some(back) = self.links[blocked].inbox.take_back() else { break };
                let guard = back.guard.moved_to(other);
                self.push(other, HandOver { guard, ..back });
            }
        }
        waits
    }

    /// Ends them. Each first serves the connections that it was given.
    pub(super) fn end(&mut self) {
        self.links.clear();
    }
}

impl WorkerLink {
    /// True if it does not pick up its connections: it has ended, or its thread is blocked.
    fn is_stuck(&self) -> bool {
        self.gone || self.is_blocked()
    }

    fn is_blocked(&self) -> bool {
        let is_late = self.unanswered.is_some_and(|(since, _)| since.elapsed() >= BLOCKED_AFTER);
        // It may have looked since the last recheck.
        is_late && self.inbox.looks_if_unanswered().is_some()
    }
}

impl Drop for WorkerLink {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

#[cfg(test)]
mod tests;
