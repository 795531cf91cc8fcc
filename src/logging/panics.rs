//! The messages of panics, in the log.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

/// Sends the messages of panics through the log, for the rest of the process's life.
///
/// Rust's own hook writes to standard error itself, and hangs there when that is a pipe that is full: a
/// callback that panics would then time out instead of failing. With `RUST_BACKTRACE` set, the backtrace
/// follows, a line an event.
pub fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let current = thread::current();
        log::error!(event = "panicked", thread = current.name(); "{}", describe(current.name(), info));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            for line in backtrace.to_string().lines() {
                log::error!(event = "backtrace"; "{line}");
            }
        }
    }));
}

fn describe(thread: Option<&str>, info: &PanicHookInfo<'_>) -> String {
    let thread = thread.unwrap_or("<unnamed>");
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("something that is not text");
    match info.location() {
        Some(location) => format!("thread '{thread}' panicked at {location}: {message}"),
        None => format!("thread '{thread}' panicked: {message}"),
    }
}
