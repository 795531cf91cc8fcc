//! A whole graceful exit: the builder, what it starts, and how the process ends.
//!
//! [`StartGuard`] catches signals before there is an exit. [`GracefulExit`] is the builder. `run` starts the exit,
//! `start` binds the servers and connects the parts, `thread` is the exit's own thread, `arming` arms the hard stop, and
//! `finish` is the end.
//! [`ExitHandle`] is how other code asks for the exit and watches it.

mod armed;
mod arming;
mod builder;
mod error;
mod finish;
mod handle;
mod jobs;
mod run;
mod start;
mod start_guard;
mod thread;

pub use builder::GracefulExit;
pub use error::StartError;
pub use handle::ExitHandle;
pub use start_guard::StartGuard;
