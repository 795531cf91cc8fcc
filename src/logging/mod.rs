//! A log whose output can hang, fill up or vanish without delaying the program.
//!
//! Logging never waits for the output and never fails: a line is formatted where it is logged, with the time of that
//! moment, and put into a bounded queue. Each output (standard error, a file) has a queue and a thread of
//! its own, so a terminal that hangs keeps nothing from the file. What does not fit into the queue, and what the output
//! refuses (a closed pipe, a full disk), is dropped and counted; as soon as there is room again, one line
//! says how many were lost, and the other output says why one cannot be written.
//!
//! Clients cannot fill the log: of other crates' messages one line each 10 s of each module is written, and half of the
//! queue is kept free of them. A warning of the program's own that repeats is written once each 10 s. Both with a count
//! of what was left out.
//!
//! With [`Format::Json`] a line has the key-values of its `log` record as members, as in
//! `log::info!(event = "phase_started", phase = "drain"; "waiting for the requests in flight")`.
//!
//! What is *not* promised: that a line has been written when the call that logged it returns. Before the
//! process ends, [`Logging::flush`] waits for it, within a timeout.

mod file;
mod handle;
mod limit;
mod line;
mod options;
mod panics;
mod queue;
#[cfg(test)]
mod tests;

pub use handle::{Logging, LoggingError, start, start_through};
pub use options::{Color, Format, Options};
pub use panics::log_panics;
