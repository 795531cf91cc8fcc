//! Every open connection of a server: [`Connections`], and one connection's place among them: [`ConnectionGuard`].

use std::{
    task::Waker,
    time::{Duration, Instant},
};

use slab::Slab;

use super::{
    super::gate::Gate,
    open::OpenCount,
    record::Connection,
    request::InFlight,
    state::{ConnectionClass, Order},
};
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering, fence, lock};

/// Every open connection of a server, in a shard for each worker.
#[derive(Debug)]
pub struct Connections {
    gate: Arc<Gate>,
    open: Arc<OpenCount>,
    shards: Box<[Shard]>,
}

/// The connections of one worker.
#[derive(Debug, Default)]
struct Shard {
    entries: Mutex<Slab<Entry>>,
    /// Requests that ended with their worker. Locked with the entries, if both are.
    cut_off: Mutex<Vec<InFlight>>,
    open: AtomicUsize,
}

#[derive(Debug)]
struct Entry {
    connection: Arc<Connection>,
    /// Wakes the connection's task; none until the task runs, which looks at its orders then.
    waker: Option<Waker>,
}

impl Entry {
    /// Gives the connection an order, and wakes its task.
    fn order(&self, order: Order) {
        self.connection.order(order);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

impl Connections {
    pub(in crate::drain) fn new(gate: Arc<Gate>) -> Self {
        let shards = (0..gate.shards()).map(|_| Shard::default()).collect();
        Self { gate, open: Arc::default(), shards }
    }

    /// Counts a connection as open on a worker until the guard is dropped.
    pub fn register(self: &Arc<Self>, shard: usize) -> ConnectionGuard {
        let connection = Arc::new(Connection::new(Arc::clone(&self.gate), Arc::clone(&self.open), shard));
        self.open.opened();
        let Shard { entries, open, .. } = &self.shards[shard];
        open.fetch_add(1, Ordering::AcqRel);
        let slot = lock(entries).insert(Entry { connection: Arc::clone(&connection), waker: None });
        ConnectionGuard { connections: Arc::clone(self), connection, slot: Some(slot) }
    }

    /// How many open connections the server's close waits for: neither pinned nor detached ones.
    #[must_use]
    pub fn awaited(&self) -> usize {
        self.open.awaited()
    }

    /// How many open connections stay until the exit is over: see [`Connection::pin_until_exit`].
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.open.pinned()
    }

    /// How many connections of one worker are open.
    #[must_use]
    pub fn open_on(&self, shard: usize) -> usize {
        self.shards[shard].open.load(Ordering::Acquire)
    }

    /// Every request in flight, the oldest first.
    #[must_use]
    pub fn in_flight(&self) -> Vec<InFlight> {
        self.requests(|_, _| ())
    }

    /// The same, and every request that ended with its worker.
    #[must_use]
    pub fn unanswered(&self) -> Vec<InFlight> {
        self.requests(|shard, found| found.extend(lock(&shard.cut_off).iter().cloned()))
    }

    /// True if a request ended with its worker.
    #[must_use]
    pub fn has_cut_off(&self) -> bool {
        self.shards.iter().any(|shard| !lock(&shard.cut_off).is_empty())
    }

    /// Every request in flight, and what `more` adds of each shard while its connections are locked.
    fn requests(&self, more: impl Fn(&Shard, &mut Vec<InFlight>)) -> Vec<InFlight> {
        let now = Instant::now();
        let mut found = Vec::new();
        for shard in &self.shards {
            let entries = lock(&shard.entries);
            entries.iter().for_each(|(_, entry)| entry.connection.add_in_flight(now, &mut found));
            more(shard, &mut found);
        }
        found.sort_by_key(|request| std::cmp::Reverse(request.age));
        found
    }

    /// Asks the matching connections to close once they are idle. A request that is already in the socket is answered
    /// first. `recent` is how long after its last use a connection counts as recent.
    pub fn close_when_idle(&self, recent: Duration, which: impl FnMut(ConnectionClass) -> bool) {
        self.order(Order::CloseWhenIdle, recent, which);
    }

    /// Wakes every HTTP/2 connection, so that it sends GOAWAY if the gate is closing.
    #[cfg(feature = "http2")]
    pub(crate) fn wake_multiplexed(&self) {
        for shard in &self.shards {
            for (_, entry) in lock(&shard.entries).iter() {
                if entry.connection.is_multiplexed() {
                    entry.wake();
                }
            }
        }
    }

    /// Aborts the matching connections, except for pinned ones. A blocked worker aborts its own once it runs again.
    pub fn abort(&self, recent: Duration, which: impl FnMut(ConnectionClass) -> bool) {
        self.order(Order::Abort, recent, which);
    }

    /// Counts endless answers as given up, and closes their connections if they speak HTTP/1.
    pub(crate) fn give_up_endless(&self) {
        self.order(Order::GiveUpEndless, Duration::ZERO, |class| class == ConnectionClass::Active);
    }

    fn order(&self, order: Order, recent: Duration, mut which: impl FnMut(ConnectionClass) -> bool) {
        let now = Instant::now();
        for shard in &self.shards {
            for (_, entry) in lock(&shard.entries).iter() {
                let pinned = order == Order::Abort && entry.connection.orders().is_pinned();
                if !pinned && which(entry.connection.class(now, recent)) {
                    entry.order(order);
                }
            }
        }
    }

    /// Stops waiting for the matching connections that are idle and have no pending input: of sockets, by their
    /// numbers, `have_no_pending_input` says whether nothing waits in them. They stay open, and no worker is woken.
    /// Those that have to take their leave of their client, in TLS or HTTP/2, have no number here: they are asked to
    /// close once they are idle, and waited for.
    ///
    /// Returns false if the task of one of them was being polled at that moment: it is to be asked again.
    pub(crate) fn detach(
        &self,
        recent: Duration,
        mut which: impl FnMut(ConnectionClass) -> bool,
        have_no_pending_input: impl Fn(&[u32]) -> Vec<bool>,
    ) -> bool {
        let now = Instant::now();
        let mut asked_all = true;
        for shard in &self.shards {
            let entries = lock(&shard.entries);
            let asked = entries.iter().map(|(_, entry)| entry);
            let asked = asked.filter(|entry| which(entry.connection.class(now, recent)));
            let (mut connections, mut sockets) = (Vec::new(), Vec::new());
            for entry in asked {
                let orders = entry.connection.orders();
                match entry.connection.socket() {
                    Some(_) if orders.contain(Order::Detach) => {}
                    None if orders.contain(Order::CloseWhenIdle) => {}
                    Some(socket) => {
                        connections.push(&entry.connection);
                        sockets.push(socket);
                    }
                    None => entry.order(Order::CloseWhenIdle),
                }
            }
            let empty = have_no_pending_input(&sockets);
            // The sockets are looked at first, then the tasks' states: see `Connection::is_polled`.
            fence(Ordering::SeqCst);
            for (connection, empty) in connections.into_iter().zip(empty) {
                if connection.is_polled() {
                    asked_all = false;
                } else if empty && connection.is_idle() {
                    connection.order(Order::Detach);
                }
            }
        }
        asked_all
    }

    /// Resolves when the server's close waits for no connection.
    pub async fn none_awaited(&self) {
        self.open.none_awaited().await;
    }
}

/// A connection's place among those of its server. It counts as open until this is dropped.
#[derive(Debug)]
pub struct ConnectionGuard {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
    /// None once its requests were cut off.
    slot: Option<usize>,
}

impl ConnectionGuard {
    /// Its record.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Sets the waker of the task that serves it.
    pub(crate) fn set_waker(&self, waker: Waker) {
        let mut entries = lock(&self.shard().entries);
        if let Some(entry) = self.slot.and_then(|slot| entries.get_mut(slot)) {
            entry.waker = Some(waker);
        }
    }

    /// Its worker ends, and with it its requests in flight.
    pub(crate) fn cut_off(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let mut entries = lock(&self.shard().entries);
        self.connection.add_in_flight(Instant::now(), &mut lock(&self.shard().cut_off));
        let entry = entries.try_remove(slot);
        drop(entries);
        drop(entry);
    }

    /// Registers it again, on another worker: before its task has begun.
    pub(crate) fn moved_to(self, shard: usize) -> Self {
        let moved = self.connections.register(shard);
        if let Some(socket) = self.connection.socket() {
            moved.connection.set_socket(socket);
        }
        moved
    }

    fn shard(&self) -> &Shard {
        &self.connections.shards[self.connection.shard()]
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let entry = self.slot.and_then(|slot| lock(&self.shard().entries).try_remove(slot));
        self.shard().open.fetch_sub(1, Ordering::AcqRel);
        drop(entry);
        self.connection.order(Order::Detach);
        if self.connection.orders().is_pinned() {
            self.connections.open.unpin();
        }
    }
}

#[cfg(test)]
mod tests;
