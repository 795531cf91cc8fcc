//! What each operating system does in its own way: one file a subject, one module an operating system.
//!
//! - [`signals`]: what asks the process to stop, caught on a thread of its own.
//! - [`exit`]: the guard, which ends the process when nothing else does.
//! - [`listener`]: closing a listening socket without resetting who is in its queue.
//! - `systemd`: readiness, progress, the watchdog, and inherited sockets (feature `systemd`, on Unix).
#![expect(unsafe_code, reason = "system calls live here and nowhere else; each block says why it is sound")]

pub mod exit;
pub mod listener;
pub mod signals;
#[cfg(all(unix, feature = "systemd"))]
pub mod systemd;

#[cfg(test)]
pub(crate) mod process;
