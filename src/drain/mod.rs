//! What every request goes through: it is admitted or rejected, counted until its last byte is with the kernel,
//! and known by name while it is in flight.
//!
//! One [`Drain`] a server, shared by its workers. Each worker has a shard of its own in it, on cache lines of its
//! own, so that no request waits for another worker's.

mod answer;
mod connection;
mod gate;
mod policy;
mod server;
mod service;
mod streams;
mod timed_body;
#[cfg(feature = "http2")]
mod unread_body;

pub use answer::{GuardedBody, GuardedFuture};
#[cfg(feature = "http2")]
pub(crate) use connection::FrameReport;
#[cfg(test)]
pub(crate) use connection::RequestName;
pub use connection::{Connection, ConnectionClass, ConnectionGuard, Connections, InFlight};
pub use gate::{Gate, Rejected};
pub use policy::{AlwaysAnswer, Policy, Rejection};
pub use server::Drain;
pub use service::{ExpectGuard, Guarded, GuardedFactory};
pub use streams::StreamsEnd;
