//! What every request goes through: it is admitted or rejected, counted until its last byte is with the kernel,
//! and known by name while it is in flight.
//!
//! One [`Drain`] a server, shared by its workers. Each worker has a lane of its own in it, on cache lines of its
//! own, so that no request waits for another worker's.

mod connection;
mod gate;
mod registry;
mod service;
mod streams;

pub use connection::{Connection, InFlight};
pub use gate::{Gate, Rejected};
pub use registry::{Connections, Standing};
pub use service::{AlwaysAnswer, Guarded, GuardedBody, GuardedFactory, GuardedFuture, Policy, Rejection};

/// A server's gate and its connections.
#[derive(Debug)]
pub struct Drain {
    /// Admits or rejects, and counts.
    pub gate: Gate,
    /// Every open connection, and what each is doing.
    pub connections: Connections,
}

impl Drain {
    /// Open, with nothing in flight, for so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self { gate: Gate::new(workers), connections: Connections::new(workers) }
    }
}
