//! Every open connection of a server, and how each stands.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering, fence},
    },
    task::Waker,
    time::{Duration, Instant},
};

use slab::Slab;
use tokio::{sync::Notify, task::AbortHandle};

use super::{Connection, Drain, InFlight};

/// Every open connection of a server, in a lane for each worker.
#[derive(Debug)]
pub struct Connections {
    lanes: Box<[Mutex<Slab<Entry>>]>,
    /// Those that their server's close waits for.
    open: AtomicUsize,
    outliving: AtomicUsize,
    /// Told when there is none left to wait for.
    none_left: Notify,
}

#[derive(Debug)]
struct Entry {
    connection: Arc<Connection>,
    /// Ends the connection's task, wherever it is in its work; set once the task runs.
    task: Option<AbortHandle>,
    /// Has the task look at its connection; set once the task runs.
    waker: Option<Waker>,
}

/// How a connection stands when its server closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has a request in flight.
    Busy,
    /// A request may be on its way, or an answer is being written.
    Recent,
    /// It has had its last answer, or that is being written, and closes.
    Leaving,
    /// Nothing has happened on it for a while.
    Unused,
}

impl Connections {
    pub(super) fn new(workers: usize) -> Self {
        let lanes = (0..workers.max(1)).map(|_| Mutex::new(Slab::new())).collect();
        Self { lanes, open: AtomicUsize::new(0), outliving: AtomicUsize::new(0), none_left: Notify::new() }
    }

    /// How many are open that their server's close waits for: neither those that outlive it nor those that it has let
    /// go.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// How many are open that outlive their server: see [`Connection::outlive`].
    #[must_use]
    pub fn outliving(&self) -> usize {
        self.outliving.load(Ordering::Acquire)
    }

    /// One of them outlives its server from here on.
    pub(super) fn outlived(&self) {
        self.outliving.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn count_out(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none_left.notify_waiters();
        }
    }

    /// How many of a worker's are open.
    #[must_use]
    pub fn open_in(&self, lane: usize) -> usize {
        lock(&self.lanes[lane]).len()
    }

    /// Every request in flight, the oldest first.
    #[must_use]
    pub fn in_flight(&self) -> Vec<InFlight> {
        let now = Instant::now();
        let mut found = Vec::new();
        for lane in &self.lanes {
            found.extend(lock(lane).iter().filter_map(|(_, entry)| entry.connection.in_flight(now)));
        }
        found.sort_by_key(|request| std::cmp::Reverse(request.age));
        found
    }

    /// Has every connection whose standing is as asked for close by itself as soon as it is idle. A request that
    /// waits in its socket, unread so far, is answered before.
    pub fn hang_up(&self, recently: Duration, mut which: impl FnMut(Standing) -> bool) {
        let now = Instant::now();
        for lane in &self.lanes {
            for (_, entry) in lock(lane).iter() {
                if which(entry.connection.standing(now, recently)) {
                    entry.connection.hang_up();
                    // A task that has not begun will see it when it does.
                    if let Some(waker) = &entry.waker {
                        waker.wake_by_ref();
                    }
                }
            }
        }
    }

    /// Waits no longer for those whose standing is as asked for, if they are idle and no request waits in their socket:
    /// `silent` says of sockets, by their numbers, whether nothing does. They stay open, and their workers hear nothing
    /// of it.
    ///
    /// `false` if the task of one of them was at work just then, and it is to be asked for again.
    pub(crate) fn let_go(
        &self,
        recently: Duration,
        mut which: impl FnMut(Standing) -> bool,
        silent: impl Fn(&[u32]) -> Vec<bool>,
    ) -> bool {
        let now = Instant::now();
        let mut told_of_all = true;
        for lane in &self.lanes {
            let lane = lock(lane);
            let asked = lane.iter().map(|(_, entry)| &entry.connection);
            let asked = asked.filter(|connection| which(connection.standing(now, recently)));
            let (asked, sockets): (Vec<_>, Vec<_>) =
                asked.filter_map(|connection| Some((connection, connection.socket()?))).unzip();
            let silent = silent(&sockets);
            fence(Ordering::SeqCst);
            for (connection, silent) in asked.into_iter().zip(silent) {
                if !connection.is_at_rest() {
                    told_of_all = false;
                } else if silent && connection.is_idle() {
                    connection.let_go();
                }
            }
        }
        told_of_all
    }

    /// Cuts every connection whose standing is as asked for. A worker that is blocked cuts its own when it no
    /// longer is.
    pub fn cut(&self, recently: Duration, which: impl Fn(Standing) -> bool) {
        let now = Instant::now();
        for lane in &self.lanes {
            for (_, entry) in lock(lane).iter() {
                if let Some(task) = &entry.task
                    && !entry.connection.outlives()
                    && which(entry.connection.standing(now, recently))
                {
                    task.abort();
                }
            }
        }
    }

    /// Resolves when no connection is [`open`](Self::open).
    pub async fn none_open(&self) {
        loop {
            let mut none_left = std::pin::pin!(self.none_left.notified());
            none_left.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            none_left.await;
        }
    }
}

impl Drain {
    /// Counts a connection in, on a worker's lane, and gives its record; with it comes its place, to be given
    /// back through [`Drain::closed`].
    pub fn opened(self: &Arc<Self>, lane: usize) -> (usize, Arc<Connection>) {
        let connection = Arc::new(Connection::new(Arc::clone(self), lane));
        self.connections.open.fetch_add(1, Ordering::AcqRel);
        let entry = Entry { connection: Arc::clone(&connection), task: None, waker: None };
        (lock(&self.connections.lanes[lane]).insert(entry), connection)
    }

    /// Says which task serves a connection.
    pub(crate) fn served_by(&self, lane: usize, place: usize, task: AbortHandle) {
        if let Some(entry) = lock(&self.connections.lanes[lane]).get_mut(place) {
            entry.task = Some(task);
        }
    }

    /// Says how the task that serves a connection is woken.
    pub(crate) fn woken_by(&self, lane: usize, place: usize, waker: Waker) {
        if let Some(entry) = lock(&self.connections.lanes[lane]).get_mut(place) {
            entry.waker = Some(waker);
        }
    }

    /// Counts a connection out: its socket is closed.
    pub fn closed(&self, lane: usize, place: usize) {
        let entry = lock(&self.connections.lanes[lane]).try_remove(place);
        if let Some(Entry { connection, .. }) = entry {
            if connection.outlives() {
                self.connections.outliving.fetch_sub(1, Ordering::AcqRel);
            }
            connection.let_go();
        }
    }
}

/// A thread that panicked with a lock held leaves a record that is whole all the same: each is written in one go.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What there is of a connection besides what serves it: its record, which is the request's as well, the record's
    /// two counts of references, and its place in the lane.
    #[test]
    fn tracking_a_request_in_flight_takes_at_most_128_bytes_and_its_path() {
        const PATH: usize = 96;
        let bytes = size_of::<Connection>() + 2 * size_of::<usize>() + size_of::<Entry>();
        println!("{bytes} bytes, of which the path has {PATH}");
        assert!(bytes <= 128 + PATH, "{bytes}");
    }
}
