//! Waiting for conditions.

use std::{
    thread,
    time::{Duration, Instant},
};

/// A condition that does not come true in this time fails its test; longer than any step takes on a busy machine.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(30);

/// A timeout that is not to be reached: a test that waits for it to the end fails by [`STUCK_AFTER`].
pub(crate) const UNREACHED: Duration = Duration::from_secs(3600);

/// The default of `shutdown.coalesce`.
const COALESCE: Duration = Duration::from_millis(50);

/// A signal this long after the first one was handled is a second signal.
pub(crate) const PAST_COALESCE: Duration = COALESCE.saturating_add(Duration::from_millis(30));

/// A connection that was idle for this long is not recently used: a server counts a second as recent.
pub(crate) const PAST_RECENT_USE: Duration = Duration::from_millis(1100);

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

#[test]
fn the_default_coalesce_time_is_the_librarys() {
    assert_eq!(graceful_exit::Timeouts::default().coalesce, COALESCE);
}
