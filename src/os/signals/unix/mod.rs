//! Signals by a self-pipe: the handler writes a record of fixed size, a thread reads it.
//!
//! The handlers are installed by plain `sigaction` rather than through signal-hook-registry: a fault must get its default
//! action back from within the handler, which the registry would not know of, and the handler then touches nothing but the
//! statics of [`handler`].

mod action;
mod handler;
mod install;
mod mask;
mod number;
mod reader;
mod record;

pub(super) use install::{change, raise, start, stop};
pub use mask::{block, unblock};
pub(super) use number::grace_period;
#[cfg(test)]
pub(super) use number::number;
