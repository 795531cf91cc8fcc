//! What the tests of the binary share: a process with its log, and a client that sees every byte.

mod client;
mod process;
pub mod tools;
mod traffic;

pub use client::{Client, Response};
pub use process::{App, Ended, Line};
pub use traffic::{Seen, Traffic};

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Longer than anything here takes on a busy machine: a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a condition.
///
/// # Panics
/// When it does not come true in time.
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads a report file.
pub fn report(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a report is JSON")
}
