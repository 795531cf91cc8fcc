//! A log whose output can hang, fill up or vanish without holding anybody back.
//!
//! Who logs never waits for the output and never fails: a line is formatted where it is logged, with the time of that
//! moment, and put into a bounded queue. Each output (standard error, a file) has a queue and a thread of
//! its own, so a terminal that hangs keeps nothing from the file. What does not fit into the queue, and what the output
//! refuses (a closed pipe, a full disk), is dropped and counted; as soon as there is room again, one line
//! says how many were lost, and the other output says why one cannot be written.
//!
//! What is *not* promised: that a line has been written when the call that logged it returns. Before the
//! process ends, [`Logging::flush`] waits for it, within a bound.

mod handle;
mod line;
mod panics;
mod queue;
#[cfg(test)]
mod tests;

pub use handle::{Color, Format, Logging, LoggingError, Options, start, start_through};
pub use panics::log_panics;
