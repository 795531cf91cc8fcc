//! [`Heartbeat`]: what tells a service manager how things stand.

use std::time::Duration;

/// Told how things stand: at each phase, and at each of the supervisor's own heartbeats, which a supervisor that is
/// stuck misses.
pub(crate) struct Heartbeat {
    /// How often the supervisor's heart beats.
    pub(crate) every: Duration,
    /// It must not block: the supervisor waits for it.
    pub(crate) tell: Box<dyn FnMut(&Standing) + Send>,
}

/// How things stand.
#[cfg_attr(
    not(any(test, all(unix, feature = "systemd"))),
    expect(dead_code, reason = "only systemd is told")
)]
pub(crate) struct Standing {
    /// The phase, and what is waited for; at the end the verdict.
    pub(crate) status: String,
    /// What is left of the deadline, once the exit has begun.
    pub(crate) deadline_left: Option<Duration>,
}
