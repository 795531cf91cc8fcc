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

/// Each phase with its name in reports, the kinds of members that take part in it, and its timeout.
macro_rules! phases {
    ($($(#[$doc:meta])* $Phase:ident = $name:literal, [$($Member:ident),*], $timeout:ident;)+) => {
        named! {
            /// What is done in a phase. In the order of an exit.
            pub enum PhaseKind {
                $($(#[$doc])* $Phase = $name,)+
            }
        }

        #[doc(hidden)]
        impl PhaseKind {
            /// The kinds of members that take part in it. A phase without any is a delay.
            #[must_use]
            pub const fn members(self) -> &'static [Kind] {
                match self {
                    $(Self::$Phase => &[$(Kind::$Member),*],)+
                }
            }

            /// The timeout of each of its tasks; the length of a delay.
            #[must_use]
            pub const fn timeout(self, timeouts: &Timeouts) -> Duration {
                match self {
                    $(Self::$Phase => timeouts.$timeout,)+
                }
            }

            /// [`PhaseKind::timeout`], to be changed.
            pub const fn timeout_mut(self, timeouts: &mut Timeouts) -> &mut Duration {
                match self {
                    $(Self::$Phase => &mut timeouts.$timeout,)+
                }
            }

            /// The setting of [`PhaseKind::timeout`].
            #[must_use]
            pub const fn setting(self) -> &'static str {
                match self {
                    $(Self::$Phase => concat!("shutdown.", stringify!($timeout)),)+
                }
            }
        }
    };
}

phases! {
    /// Not ready, but still serving: time for load balancers to turn away.
    ReadyDelay = "ready_delay", [], ready_delay;
    /// New requests are rejected, those in flight are waited for.
    Drain = "drain", [ServerFirst, ServerLast, BackgroundWorker], drain_timeout;
    /// The servers close.
    CloseServers = "close_servers", [ServerFirst], stop_timeout;
    /// The checkpoints are waited for, then the callbacks run.
    Callbacks = "callbacks", [Callback], callback_timeout;
    /// One resource is released.
    Release = "release", [Resource], release_timeout;
    /// The servers that stayed until the end close.
    CloseLast = "close_last", [ServerLast], stop_timeout;
}

#[doc(hidden)]
impl PhaseKind {
    /// The phases that no member takes part in: they only take time, and are left out when that is zero.
    pub fn delays() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|phase| phase.is_delay())
    }

    /// True if no member takes part in it.
    #[must_use]
    pub const fn is_delay(self) -> bool {
        self.members().is_empty()
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
