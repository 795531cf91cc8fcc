//! Waiting for conditions.

use std::{
    thread,
    time::{Duration, Instant},
};

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
