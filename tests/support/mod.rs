//! Shared by the tests: the application as a process with its log, an HTTP client, waiting for conditions.

mod client;
#[cfg(windows)]
pub(crate) mod control;
#[cfg(all(target_os = "linux", feature = "app"))]
pub(crate) mod network_namespace;
#[cfg(feature = "app")]
mod process;
#[cfg(unix)]
pub(crate) mod signals;
#[cfg(all(unix, feature = "app"))]
pub(crate) mod tools;
#[cfg(all(target_os = "linux", feature = "app"))]
mod traffic;

pub(crate) use client::{Client, Response};
#[cfg(feature = "app")]
pub(crate) use process::{App, Ended, Line, STOPPED_BY, bare, output};
#[cfg(all(target_os = "linux", feature = "app"))]
pub(crate) use traffic::Traffic;

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A condition that does not come true in this time fails its test; longer than any step takes on a busy machine.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Waits until a condition is true.
///
/// # Panics
/// If it is not true within [`STUCK_AFTER`].
pub(crate) fn wait_until(what: &str, is_true: impl FnMut() -> bool) {
    wait_until_within(STUCK_AFTER, what, is_true);
}

/// The same for a condition that takes longer.
///
/// # Panics
/// If it is not true within `limit`.
pub(crate) fn wait_until_within(limit: Duration, what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads a report file.
pub(crate) fn report(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a report is JSON")
}

/// Runs all items at the same time, each on a thread of its own.
pub(crate) fn side_by_side<T: Sync>(items: &[T], run: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for item in items {
            scope.spawn(|| run(item));
        }
    });
}

/// True if the platform distinguishes a reset by the peer from an ordinary end. Wine does not; the skip is printed.
pub(crate) fn resets_are_told(test: &str) -> bool {
    #[cfg(windows)]
    if control::is_wine() {
        use std::io::Write;
        // `eprintln!` would be captured for passing tests.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: wine tells no reset");
        return false;
    }
    let _ = test;
    true
}

/// A new temporary directory.
pub(crate) fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().expect("a temporary folder"))
}

/// Asks the application to stop, and waits for its end.
#[cfg(feature = "app")]
pub(crate) fn stop(app: App) -> Ended {
    app.signal_to_stop();
    app.wait()
}
