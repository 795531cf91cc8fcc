//! The gate: admits or rejects a request in one atomic step, and counts the requests in flight.

use crate::sync::{AtomicU64, Notify, Ordering, until};

/// Admits or rejects requests. A shard's state packs two flags and the count of requests in flight into one
/// number, so that one `fetch_add` both counts a request in and tells whether it came too late.
#[derive(Debug)]
pub struct Gate {
    shards: Box<[Shard]>,
    /// Notified when a shard's count reaches zero while requests are rejected.
    emptied: Notify,
    /// Requests in flight when rejecting began.
    at_reject: AtomicU64,
}

/// One worker's counts, on two cache lines that no other worker writes (processors prefetch lines in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    state: AtomicU64,
    completed: AtomicU64,
    rejected: AtomicU64,
}

/// Flag: requests are rejected.
const REJECTING: u64 = 0b01;
/// Flag: each answer says `Connection: close`.
const CLOSING: u64 = 0b10;
/// The unit of the count: one request in flight.
const ONE: u64 = 0b100;

/// The request came too late: it was not counted in.
#[derive(Debug)]
pub struct Rejected;

impl Gate {
    /// Open, with a shard for each worker.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let shards = (0..workers.max(1)).map(|_| Shard::default()).collect();
        Self { shards, emptied: Notify::new(), at_reject: AtomicU64::new(0) }
    }

    /// How many shards there are: one a worker.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Counts a request in.
    ///
    /// # Errors
    /// [`Rejected`] once [`Gate::reject`] was called; the request is counted as rejected then.
    #[inline]
    pub fn admit(&self, shard: usize) -> Result<(), Rejected> {
        let shard = &self.shards[shard];
        // Acquire: a request that is rejected sees all that was done before rejecting began.
        if shard.state.fetch_add(ONE, Ordering::Acquire) & REJECTING == 0 {
            return Ok(());
        }
        self.refuse(shard)
    }

    #[cold]
    fn refuse(&self, shard: &Shard) -> Result<(), Rejected> {
        shard.rejected.fetch_add(1, Ordering::Relaxed);
        self.count_out(shard, 1);
        Err(Rejected)
    }

    /// Counts a request as rejected without counting it in first. Returns false if requests are not rejected.
    pub(super) fn turn_away(&self, shard: usize) -> bool {
        let shard = &self.shards[shard];
        let rejecting = shard.state.load(Ordering::Acquire) & REJECTING != 0;
        shard.rejected.fetch_add(u64::from(rejecting), Ordering::Relaxed);
        rejecting
    }

    /// Counts requests as no longer in flight. `answered`: the kernel has their last bytes. Otherwise they were dropped.
    pub fn leave(&self, shard: usize, requests: u32, answered: bool) {
        let (shard, requests) = (&self.shards[shard], u64::from(requests));
        if answered {
            // Answers leave on the worker's thread alone, so that no addition can be lost.
            shard.completed.store(shard.completed.load(Ordering::Relaxed) + requests, Ordering::Relaxed);
        }
        self.count_out(shard, requests);
    }

    fn count_out(&self, shard: &Shard, requests: u64) {
        // Release: the thread that sees the zero sees all that the requests did.
        let before = shard.state.fetch_sub(requests * ONE, Ordering::AcqRel);
        if before & REJECTING != 0 && before < (requests + 1) * ONE {
            self.emptied.notify_waiters();
        }
    }

    /// A number that changes whenever the worker begins, answers or gives up a request.
    #[must_use]
    pub(crate) fn progress(&self, shard: usize) -> u64 {
        let Shard { state, completed, rejected } = &self.shards[shard];
        let done = completed.load(Ordering::Relaxed).wrapping_add(rejected.load(Ordering::Relaxed));
        // One that was answered and followed by the next leaves the count in flight as it was.
        (state.load(Ordering::Relaxed) / ONE).wrapping_add(done.wrapping_mul(3))
    }

    /// Returns true if each answer has to say `Connection: close`.
    #[must_use]
    #[inline]
    pub fn is_closing(&self, shard: usize) -> bool {
        self.shards[shard].state.load(Ordering::Relaxed) & CLOSING != 0
    }

    /// From now on each answer says `Connection: close`; requests are still admitted.
    pub fn close_connections(&self) {
        for shard in &self.shards {
            shard.state.fetch_or(CLOSING, Ordering::AcqRel);
        }
    }

    /// Rejects requests from now on, and remembers how many are in flight. A second call changes nothing.
    pub fn reject(&self) {
        let mut in_flight = 0;
        for shard in &self.shards {
            let before = shard.state.fetch_or(REJECTING | CLOSING, Ordering::AcqRel);
            if before & REJECTING != 0 {
                return;
            }
            in_flight += before / ONE;
        }
        self.at_reject.store(in_flight, Ordering::Relaxed);
    }

    /// Requests in flight when rejecting began.
    #[must_use]
    pub fn in_flight_at_reject(&self) -> u64 {
        self.at_reject.load(Ordering::Relaxed)
    }

    /// Returns true if requests are rejected.
    #[must_use]
    pub fn is_rejecting(&self) -> bool {
        self.shards.iter().all(|shard| shard.state.load(Ordering::Relaxed) & REJECTING != 0)
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.shards.iter().map(|shard| shard.state.load(Ordering::Acquire) / ONE).sum()
    }

    /// Requests answered to their last byte, since the start.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.shards.iter().map(|shard| shard.completed.load(Ordering::Relaxed)).sum()
    }

    /// Requests that came too late, since the start.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.shards.iter().map(|shard| shard.rejected.load(Ordering::Relaxed)).sum()
    }

    /// Resolves when no request is in flight. Meaningful only once [`Gate::reject`] was called: no shard's count
    /// can rise for good from then on, so the shards may be looked at one after another.
    pub async fn drained(&self) {
        until(&self.emptied, || self.in_flight() == 0).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn a_request_after_reject_is_turned_away_and_one_before_is_waited_for() {
        let gate = Gate::new(2);
        assert!(gate.admit(0).is_ok());
        assert!(gate.admit(1).is_ok());
        gate.reject();
        assert_eq!(gate.in_flight_at_reject(), 2);
        assert!(gate.admit(1).is_err() && gate.admit(1).is_err());
        assert_eq!((gate.in_flight(), gate.completed(), gate.rejected()), (2, 0, 2));
        gate.leave(0, 1, true);
        gate.leave(1, 1, false);
        assert_eq!((gate.in_flight(), gate.completed(), gate.rejected()), (0, 1, 2));
        assert!(gate.admit(0).is_err() && gate.admit(1).is_err(), "it goes on rejecting");
        gate.reject();
        assert_eq!(gate.in_flight_at_reject(), 2, "a second call changes nothing");
    }

    #[test]
    fn several_requests_leave_at_once_and_the_worker_makes_progress_with_each_step() {
        let gate = Gate::new(1);
        let mut seen = vec![gate.progress(0)];
        let mut step = |step: &dyn Fn()| {
            step();
            assert!(!seen.contains(&gate.progress(0)), "{seen:?}");
            seen.push(gate.progress(0));
        };
        step(&|| assert!(gate.admit(0).is_ok()));
        step(&|| assert!(gate.admit(0).is_ok()));
        step(&|| {
            gate.leave(0, 1, true);
            assert!(gate.admit(0).is_ok());
        });
        step(&|| gate.leave(0, 2, true));
        assert_eq!((gate.in_flight(), gate.completed()), (0, 3));
        gate.reject();
        step(&|| assert!(gate.admit(0).is_err()));
    }

    #[test]
    fn closing_comes_before_rejecting() {
        let gate = Gate::new(1);
        assert!(!gate.is_closing(0));
        gate.close_connections();
        assert!(gate.is_closing(0) && !gate.is_rejecting());
        assert!(gate.admit(0).is_ok());
    }

    /// Every request is either counted to its end or rejected, and the drain's end is told whatever the timing.
    #[tokio::test(flavor = "current_thread")]
    async fn the_end_of_the_drain_is_never_missed() {
        for round in 0..200 {
            let gate = Arc::new(Gate::new(2));
            let threads: Vec<_> = (0..2)
                .map(|shard| {
                    let gate = Arc::clone(&gate);
                    thread::spawn(move || {
                        let mut admitted = 0_u64;
                        while gate.admit(shard).is_ok() {
                            admitted += 1;
                            gate.leave(shard, 1, true);
                        }
                        admitted
                    })
                })
                .collect();
            for _ in 0..round {
                std::hint::spin_loop();
            }
            gate.reject();
            gate.drained().await;
            let admitted: u64 = threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum();
            assert_eq!((gate.completed(), gate.in_flight()), (admitted, 0));
        }
    }
}
