//! The paused clock of tests (`tokio::time::pause`, `start_paused`).
//!
//! It stands still while anything runs, and goes to the next timer when nothing does. What it shows depends on the program
//! alone: a busy machine changes nothing.

use std::time::Duration;

/// Asserts how much time has passed on the paused clock. Its timers count in milliseconds, rounded up.
#[track_caller]
pub(crate) fn assert_virtual_time(passed: Duration, wanted: Duration) {
    let most = wanted + Duration::from_millis(3);
    assert!((wanted..=most).contains(&passed), "{passed:?} have passed instead of {wanted:?}");
}
