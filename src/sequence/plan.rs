//! Members, phases and bounds: what an exit goes through, and how long each part may take.

use std::{collections::BTreeSet, error::Error, fmt, time::Duration};

/// What an exit goes through, in order. Built once, before anything is served, and never changed.
///
/// A phase's tasks work side by side; phases follow one another. Resources, which must go one after
/// another, are one phase each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    timeouts: Timeouts,
    members: Vec<Member>,
    phases: Vec<Phase>,
}

macro_rules! timeouts {
    ($($(#[doc = $doc:literal])+ $name:ident = $default:expr;)+) => {
        /// How long each part of an exit may take. The names are those of the settings.
        ///
        /// ```
        /// use std::time::Duration;
        /// use graceful_exit::Timeouts;
        ///
        /// let timeouts = Timeouts::default().drain_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(8));
        /// assert_eq!(timeouts.callback_timeout, Duration::from_secs(3));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Timeouts {
            $($(#[doc = $doc])+ pub $name: Duration,)+
        }

        impl Default for Timeouts {
            /// The defaults of `config/default.toml`.
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Timeouts {
            $($(#[doc = $doc])+
            #[must_use]
            pub const fn $name(mut self, $name: Duration) -> Self {
                self.$name = $name;
                self
            }
            )+
        }
    };
}

timeouts! {
    /// A signal at most this long after the first one is the same request. 50 ms by default.
    coalesce = Duration::from_millis(50);
    /// How long the process is not ready but still serves. Zero, the default, leaves the phase out.
    ready_delay = Duration::ZERO;
    /// The limit of each checkpoint, from the first request to stop. 2 s by default.
    checkpoint_timeout = Duration::from_secs(2);
    /// How long requests in flight are waited for. 10 s by default.
    drain_timeout = Duration::from_secs(10);
    /// How long a closing server keeps a connection open that was opened or used within the last second, because a
    /// request may be on its way. Ends early when each such connection has had its last response. 50 ms by default.
    keep_alive_grace = Duration::from_millis(50);
    /// How long the servers may take to close, the keep-alive grace included. 1 s by default.
    stop_timeout = Duration::from_secs(1);
    /// The timeout of each callback that has none of its own. 3 s by default.
    callback_timeout = Duration::from_secs(3);
    /// The timeout of each resource that has none of its own. 1 s by default.
    release_timeout = Duration::from_secs(1);
    /// The overall deadline, from the first request to stop until the exit is forced. 25 s by default, because
    /// Kubernetes kills after 30 s.
    timeout = Duration::from_secs(25);
}

/// Somebody who takes part in the exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What part it takes.
    pub kind: Kind,
    /// Unique among the members of its kind.
    pub name: String,
    /// Its own bound, in place of the plan's for its kind. A server has none: it shares the plan's.
    pub timeout: Option<Duration>,
}

/// The part a member takes in an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Drains with all servers, closes before the callbacks.
    ServerFirst,
    /// Drains with all servers, closes at the very end.
    ServerLast,
    /// Has no server to close, but work in flight to wait for while the servers drain.
    Worker,
    /// Runs beside the other callbacks, once the servers are closed.
    Callback,
    /// Is released after the callbacks, the last registered first.
    Resource,
}

/// A member's place in [`Plan::members`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub usize);

/// One step of the order: its tasks work side by side, and it ends when the last of them has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What is done in it.
    pub kind: PhaseKind,
    /// Who is asked, in the order of asking.
    pub tasks: Vec<Task>,
    /// How long a phase without tasks lasts.
    pub delay: Duration,
}

impl Phase {
    /// The longest that this phase can take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        let longest = self.tasks.iter().map(|task| task.timeout).max();
        longest.map_or(self.delay, |timeout| timeout.max(self.delay))
    }
}

/// What is done in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PhaseKind {
    /// Not ready, but still serving: time for load balancers to turn away.
    ReadyDelay,
    /// New requests are rejected, those in flight are waited for.
    Drain,
    /// The servers close.
    CloseServers,
    /// The callbacks run.
    Callbacks,
    /// One resource is released.
    Release,
    /// The servers that stayed until the end close.
    CloseLast,
}

impl PhaseKind {
    /// In the order of an exit.
    pub const ALL: [Self; 6] =
        [Self::ReadyDelay, Self::Drain, Self::CloseServers, Self::Callbacks, Self::Release, Self::CloseLast];

    /// Whether servers close in it.
    #[must_use]
    pub const fn closes_servers(self) -> bool {
        match self {
            Self::CloseServers | Self::CloseLast => true,
            Self::ReadyDelay | Self::Drain | Self::Callbacks | Self::Release => false,
        }
    }

    /// The name in reports, in `/status` and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadyDelay => "ready_delay",
            Self::Drain => "drain",
            Self::CloseServers => "close_servers",
            Self::Callbacks => "callbacks",
            Self::Release => "release",
            Self::CloseLast => "close_last",
        }
    }
}

/// What one member does in one phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Who is asked.
    pub member: MemberId,
    /// How long the answer is waited for.
    pub timeout: Duration,
}

/// A task's place: its phase in [`Plan::phases`], its index in [`Phase::tasks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// Index into [`Plan::phases`].
    pub phase: usize,
    /// Index into [`Phase::tasks`].
    pub task: usize,
}

impl Plan {
    /// Lays the order out for these members.
    ///
    /// Timeouts that add up to more than the deadline make a plan all the same: see [`Plan::overrun`].
    ///
    /// # Errors
    /// When the deadline is zero, a member's name is empty or taken by another of its kind, or a server has a
    /// bound of its own.
    pub fn new(timeouts: Timeouts, members: Vec<Member>) -> Result<Self, PlanError> {
        if timeouts.timeout.is_zero() {
            return Err(PlanError::NoTime);
        }
        let mut names = BTreeSet::new();
        for member in &members {
            if member.name.is_empty() {
                return Err(PlanError::NoName { kind: member.kind });
            }
            if !names.insert((member.kind.noun(), member.name.as_str())) {
                return Err(PlanError::SameName { kind: member.kind, name: member.name.clone() });
            }
            if member.timeout.is_some() && matches!(member.kind, Kind::ServerFirst | Kind::ServerLast) {
                return Err(PlanError::OwnBound { name: member.name.clone() });
            }
        }
        let phases = phases(&timeouts, &members);
        Ok(Self { timeouts, members, phases })
    }

    /// The bounds it was built with.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Everybody who takes part, in the order of registration.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The phases in their order, none of them empty.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// The member that a task asks.
    ///
    /// # Panics
    /// With an id that is not of this plan.
    #[must_use]
    pub fn member_of(&self, id: TaskId) -> &Member {
        &self.members[self.phases[id.phase].tasks[id.task].member.0]
    }

    /// How long an exit takes when every phase uses its whole bound.
    #[must_use]
    pub fn worst_case(&self) -> Duration {
        self.phases.iter().map(Phase::timeout).fold(Duration::ZERO, Duration::saturating_add)
    }

    /// By how much the phases' bounds exceed the deadline; zero when they fit.
    #[must_use]
    pub fn overrun(&self) -> Duration {
        self.worst_case().saturating_sub(self.timeouts.timeout)
    }
}

fn phases(timeouts: &Timeouts, members: &[Member]) -> Vec<Phase> {
    let tasks = |timeout: Duration, takes_part: &dyn Fn(Kind) -> bool| -> Vec<Task> {
        let ids = (0..members.len()).filter(|&id| takes_part(members[id].kind));
        ids.map(|id| Task { member: MemberId(id), timeout: members[id].timeout.unwrap_or(timeout) }).collect()
    };
    let phase = |kind, tasks| Phase { kind, tasks, delay: Duration::ZERO };

    let mut phases = vec![
        Phase { kind: PhaseKind::ReadyDelay, tasks: Vec::new(), delay: timeouts.ready_delay },
        phase(
            PhaseKind::Drain,
            tasks(timeouts.drain_timeout, &|kind| {
                matches!(kind, Kind::ServerFirst | Kind::ServerLast | Kind::Worker)
            }),
        ),
        phase(PhaseKind::CloseServers, tasks(timeouts.stop_timeout, &|kind| kind == Kind::ServerFirst)),
        phase(PhaseKind::Callbacks, tasks(timeouts.callback_timeout, &|kind| kind == Kind::Callback)),
    ];
    let resources = tasks(timeouts.release_timeout, &|kind| kind == Kind::Resource);
    phases.extend(resources.into_iter().rev().map(|task| phase(PhaseKind::Release, vec![task])));
    phases.push(phase(PhaseKind::CloseLast, tasks(timeouts.stop_timeout, &|kind| kind == Kind::ServerLast)));
    phases.retain(|phase| !phase.tasks.is_empty() || !phase.delay.is_zero());
    phases
}

impl Kind {
    /// What a person calls it. Both kinds of server are one noun: their names must differ.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::ServerFirst | Self::ServerLast => "server",
            Self::Worker => "worker",
            Self::Callback => "callback",
            Self::Resource => "resource",
        }
    }
}

/// Why a plan makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The deadline is zero: the exit would be forced before it began.
    NoTime,
    /// A member has an empty name, and a report could not name it.
    NoName {
        /// Of which kind it is.
        kind: Kind,
    },
    /// Two members of one kind share a name, and a report could not tell them apart.
    SameName {
        /// Of which kind they are.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// A server has a bound of its own, which could not say whether it is for draining or for closing.
    OwnBound {
        /// The server's name.
        name: String,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTime => f.write_str("the overall deadline is zero; give the exit some time"),
            Self::NoName { kind } => write!(f, "a {} has an empty name; reports go by names", kind.noun()),
            Self::SameName { kind, name } => {
                write!(f, "two of the {}s are called `{name}`; reports go by names", kind.noun())
            }
            Self::OwnBound { name } => {
                write!(
                    f,
                    "server `{name}` has a bound of its own; servers share the plan's drain and stop bounds"
                )
            }
        }
    }
}

impl Error for PlanError {}
