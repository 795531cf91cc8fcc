//! A whole graceful exit: the builder, what it starts, and how the process ends.
//!
//! [`StartGuard`] catches signals before there is an exit, [`GracefulExit`] says what takes part, `run` starts it, `start` binds and wires, `thread` is the exit's
//! own thread, `finish` is the end, and [`ExitHandle`] is the way to it from everywhere else.

mod armed;
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
