//! What the tests of the binary share: a process with its log, and a client that sees every byte.

mod client;
#[cfg(windows)]
pub(crate) mod control;
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

/// Longer than anything here takes on a busy machine: a test that waits so long has failed.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Waits for a condition.
///
/// # Panics
/// When it does not come true in time.
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < STUCK_AFTER, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads a report file.
pub(crate) fn report(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a report is JSON")
}

/// Runs each at the same time, for what mostly waits.
pub(crate) fn side_by_side<T: Sync>(items: &[T], run: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for item in items {
            scope.spawn(|| run(item));
        }
    });
}

/// Whether a reset by the peer is told from its ordinary end; says so where it is not. Wine reports both as the end
/// of what the peer sends, after which it may still be reading.
pub(crate) fn resets_are_told(test: &str) -> bool {
    #[cfg(windows)]
    if control::is_wine() {
        use std::io::Write;
        // Not by `eprintln!`, which is captured for tests that pass.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: wine tells no reset");
        return false;
    }
    let _ = test;
    true
}

/// A new folder.
pub(crate) fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().expect("a temporary folder"))
}

/// Asks it to stop, and waits for its end.
#[cfg(feature = "app")]
pub(crate) fn stop(app: App) -> Ended {
    app.signal_to_stop();
    app.wait()
}
