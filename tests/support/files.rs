//! Small helpers: temporary directories, report files, running side by side.

use std::{path::Path, sync::Arc, thread};

use tempfile::TempDir;

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

/// A new temporary directory.
pub(crate) fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().expect("a temporary folder"))
}
