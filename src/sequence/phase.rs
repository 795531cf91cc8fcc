//! The phases of an exit.

use std::time::Duration;

use super::{member::Kind, outcome::named, task::Task, timeouts::Timeouts};

/// One step of the order: its tasks run side by side, and it ends when the last of them has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What is done in it.
    pub kind: PhaseKind,
    /// The members that are asked, in the order of asking.
    pub tasks: Vec<Task>,
    /// How long a phase without tasks lasts.
    pub delay: Duration,
}

impl Phase {
    /// The longest that this phase can take; for the callbacks without the wait for checkpoints, see
    /// [`Plan::worst_case`](super::Plan::worst_case).
    #[must_use]
    pub fn timeout(&self) -> Duration {
        let longest = self.tasks.iter().map(|task| task.timeout).max();
        longest.map_or(self.delay, |timeout| timeout.max(self.delay))
    }
}

named! {
    /// What is done in a phase. In the order of an exit.
    pub enum PhaseKind {
        /// Not ready, but still serving: time for load balancers to turn away.
        ReadyDelay = "ready_delay",
        /// New requests are rejected, those in flight are waited for.
        Drain = "drain",
        /// The servers close.
        CloseServers = "close_servers",
        /// The checkpoints are waited for, then the callbacks run.
        Callbacks = "callbacks",
        /// One resource is released.
        Release = "release",
        /// The servers that stayed until the end close.
        CloseLast = "close_last",
    }
}

impl PhaseKind {
    /// The kinds of members that take part in it. A phase without any is a delay.
    #[must_use]
    pub const fn members(self) -> &'static [Kind] {
        match self {
            Self::ReadyDelay => &[],
            Self::Drain => &[Kind::ServerFirst, Kind::ServerLast, Kind::BackgroundWorker],
            Self::CloseServers => &[Kind::ServerFirst],
            Self::Callbacks => &[Kind::Callback],
            Self::Release => &[Kind::Resource],
            Self::CloseLast => &[Kind::ServerLast],
        }
    }

    /// The timeout of each of its tasks; the length of a delay.
    #[must_use]
    pub const fn timeout(self, timeouts: &Timeouts) -> Duration {
        match self {
            Self::ReadyDelay => timeouts.ready_delay,
            Self::Drain => timeouts.drain_timeout,
            Self::CloseServers | Self::CloseLast => timeouts.stop_timeout,
            Self::Callbacks => timeouts.callback_timeout,
            Self::Release => timeouts.release_timeout,
        }
    }

    /// True if each of its tasks is a phase of its own, the last registered first.
    #[must_use]
    pub const fn is_one_by_one(self) -> bool {
        matches!(self, Self::Release)
    }

    /// True if servers close in it.
    #[must_use]
    pub const fn closes_servers(self) -> bool {
        matches!(self, Self::CloseServers | Self::CloseLast)
    }

    /// True if its tasks are asked only once every checkpoint is over.
    #[must_use]
    pub const fn waits_for_checkpoints(self) -> bool {
        matches!(self, Self::Callbacks)
    }
}
