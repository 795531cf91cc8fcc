//! [`Heartbeat`]: what tells a service manager how the exit goes.

use std::time::Duration;

/// Told how the exit goes: at each phase, and at each interval. A supervisor whose thread is blocked misses intervals.
pub(crate) struct Heartbeat {
    /// The interval.
    pub(crate) every: Duration,
    /// Must not block: the supervisor waits for it.
    pub(crate) tell: Box<dyn FnMut(&ExitProgress) + Send>,
}

/// How the exit goes.
#[cfg_attr(
    not(any(test, all(unix, feature = "systemd"))),
    expect(dead_code, reason = "only systemd is told")
)]
pub(crate) struct ExitProgress {
    /// The phase, and what is waited for; at the end the verdict.
    pub(crate) status: String,
    /// What is left of the deadline, once the exit has begun.
    pub(crate) deadline_left: Option<Duration>,
}
