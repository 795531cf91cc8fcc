//! What an event means for an exit: [`Meaning`].

use super::promise::Promise;

/// What an event means, given the history.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It must have no effect, by this promise.
    Nothing(Promise),
    /// The first signal of an exit that was not started by one: recorded only.
    Remembered,
    Begin,
    /// A result, a server's failure or a task's timeout.
    Progress,
    Deadline,
    Force,
}
