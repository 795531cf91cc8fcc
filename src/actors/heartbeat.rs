//! [`Heartbeat`]: who hears how things stand, such as a service manager.

use std::time::Duration;

use super::{ShutdownSupervisor, recorder::Started};

/// Hears how things stand: at each phase, and at each of the supervisor's own heartbeats, which a supervisor that is
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
    expect(dead_code, reason = "systemd is the only one who hears it")
)]
pub(crate) struct Standing {
    /// The phase, and who is waited for.
    pub(crate) status: String,
    /// What is left of the deadline, once the exit has begun.
    pub(crate) deadline_left: Option<Duration>,
}

impl ShutdownSupervisor {
    pub(super) fn tell_watch(&mut self) {
        let standing = self.hooks.watch.is_some().then(|| self.standing());
        if let Some((watch, standing)) = self.hooks.watch.as_mut().zip(standing) {
            (watch.tell)(&standing);
        }
    }

    fn standing(&self) -> Standing {
        let language = self.hooks.language;
        let phase = match self.state.phase().map(|index| &self.plan.phases()[index]) {
            Some(phase) => language.phase(phase.kind, phase.delay),
            None => language.started().to_owned(),
        };
        let lines: Vec<_> = [phase].into_iter().chain(self.progress()).collect();
        let elapsed = self.monitor.read(|record| record.started.map(Started::elapsed));
        let deadline = self.plan.timeouts().timeout;
        Standing {
            status: lines.join("; "),
            deadline_left: elapsed.map(|elapsed| deadline.saturating_sub(elapsed)),
        }
    }
}
