//! The gate: admits or rejects a request in one atomic step, and counts those inside.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Admits or rejects requests. A lane's state packs two flags and the count of requests in flight into one
/// number, so that one `fetch_add` both counts a request in and tells whether it came too late.
#[derive(Debug)]
pub struct Gate {
    lanes: Box<[Lane]>,
    /// Told when, with the gate closed, a lane's count reaches zero.
    emptied: Notify,
    /// Requests in flight when rejecting began.
    at_reject: AtomicU64,
}

/// A worker's share, on cache lines of its own (two of them: processors prefetch in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane {
    state: AtomicU64,
    completed: AtomicU64,
    rejected: AtomicU64,
}

/// Requests come too late.
const REJECTING: u64 = 0b01;
/// Each answer says `Connection: close`.
const CLOSING: u64 = 0b10;
/// One request in flight.
const ONE: u64 = 0b100;

/// The request came too late: it was not counted in.
#[derive(Debug)]
pub struct Rejected;

impl Gate {
    /// Open, with a lane for each worker.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let lanes = (0..workers.max(1)).map(|_| Lane::default()).collect();
        Self { lanes, emptied: Notify::new(), at_reject: AtomicU64::new(0) }
    }

    /// How many lanes there are.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Counts a request in.
    ///
    /// # Errors
    /// [`Rejected`] once [`Gate::reject`] was called; the request is counted as rejected then.
    pub fn admit(&self, lane: usize) -> Result<(), Rejected> {
        let lane = &self.lanes[lane];
        // Acquire: whoever is rejected sees all that was done before rejecting began.
        if lane.state.fetch_add(ONE, Ordering::Acquire) & REJECTING == 0 {
            return Ok(());
        }
        lane.rejected.fetch_add(1, Ordering::Relaxed);
        self.count_out(lane, 1);
        Err(Rejected)
    }

    /// Counts a request out: its last byte is with the kernel (`answered`), or it was given up.
    pub fn leave(&self, lane: usize, answered: bool) {
        let lane = &self.lanes[lane];
        if answered {
            lane.completed.fetch_add(1, Ordering::Relaxed);
        }
        self.count_out(lane, 1);
    }

    /// Counts several requests out, whose last bytes are with the kernel.
    pub(super) fn leave_answered(&self, lane: usize, requests: u32) {
        let (lane, requests) = (&self.lanes[lane], u64::from(requests));
        lane.completed.fetch_add(requests, Ordering::Relaxed);
        self.count_out(lane, requests);
    }

    fn count_out(&self, lane: &Lane, requests: u64) {
        // Release: who sees the zero sees all that the request did.
        let before = lane.state.fetch_sub(requests * ONE, Ordering::AcqRel);
        if before & REJECTING != 0 && before < (requests + 1) * ONE {
            self.emptied.notify_waiters();
        }
    }

    /// Whether an answer has to say `Connection: close`.
    #[must_use]
    pub fn is_closing(&self, lane: usize) -> bool {
        self.lanes[lane].state.load(Ordering::Relaxed) & CLOSING != 0
    }

    /// From now on each answer says `Connection: close`; requests are still admitted.
    pub fn close_connections(&self) {
        for lane in &self.lanes {
            lane.state.fetch_or(CLOSING, Ordering::AcqRel);
        }
    }

    /// From now on requests are rejected.
    pub fn reject(&self) {
        let close = |lane: &Lane| lane.state.fetch_or(REJECTING | CLOSING, Ordering::AcqRel) / ONE;
        self.at_reject.store(self.lanes.iter().map(close).sum(), Ordering::Relaxed);
    }

    /// Requests in flight when rejecting began.
    #[must_use]
    pub fn in_flight_at_reject(&self) -> u64 {
        self.at_reject.load(Ordering::Relaxed)
    }

    /// Whether requests are rejected.
    #[must_use]
    pub fn is_rejecting(&self) -> bool {
        self.lanes.iter().all(|lane| lane.state.load(Ordering::Relaxed) & REJECTING != 0)
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.state.load(Ordering::Acquire) / ONE).sum()
    }

    /// Requests answered to their last byte, since the start.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.completed.load(Ordering::Relaxed)).sum()
    }

    /// Requests that came too late, since the start.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.rejected.load(Ordering::Relaxed)).sum()
    }

    /// Resolves when no request is in flight. Meaningful only once [`Gate::reject`] was called: no lane's count
    /// can rise for good from then on, so the lanes may be looked at one after another.
    pub async fn drained(&self) {
        loop {
            let emptied = self.emptied.notified();
            let mut emptied = std::pin::pin!(emptied);
            emptied.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            emptied.await;
        }
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
        assert!(gate.admit(1).is_err());
        assert_eq!((gate.in_flight(), gate.completed(), gate.rejected()), (2, 0, 1));
        gate.leave(0, true);
        gate.leave(1, false);
        assert_eq!((gate.in_flight(), gate.completed(), gate.rejected()), (0, 1, 1));
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
                .map(|lane| {
                    let gate = Arc::clone(&gate);
                    thread::spawn(move || {
                        let mut admitted = 0_u64;
                        while gate.admit(lane).is_ok() {
                            admitted += 1;
                            gate.leave(lane, true);
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
