//! How an exit, a phase and a task can end. Each name in reports, metrics and `/status` is written here, once.

/// An enum whose every value has a name in reports: `ALL`, `name` and `from_name`.
macro_rules! named {
    ($(#[$of:meta])* pub enum $Enum:ident { $($(#[$doc:meta])* $Value:ident = $name:literal,)+ }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $Enum {
            $($(#[$doc])* $Value,)+
        }

        impl $Enum {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$Value,)+];

            /// The name in reports, metrics and `/status`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Value => $name,)+
                }
            }

            /// The value of this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$Value),)+
                    _ => None,
                }
            }
        }
    };
}

pub(super) use named;

named! {
    /// How an exit ended.
    pub enum Outcome {
        /// Everything in flight was answered, every job was done. Where there are callbacks, a checkpoint may have
        /// failed: they save for good what it saves early.
        Clean = "clean",
        /// The sequence ran to its end, but something was abandoned or failed on the way.
        Incomplete = "incomplete",
        /// The overall deadline passed.
        TimedOut = "timed_out",
        /// A second signal came.
        Forced = "forced",
    }
}

named! {
    /// What ended a phase.
    pub enum EndedBy {
        /// Nothing was left to wait for.
        Done = "done",
        /// Its last pending task timed out.
        Timeout = "timeout",
        /// The overall deadline.
        Deadline = "deadline",
        /// A second signal.
        Signal = "signal",
    }
}

named! {
    /// Where a task stands, or how it ended.
    pub enum TaskStatus {
        /// Its phase has not begun; in an exit that is over, it never did.
        NotStarted = "not_started",
        /// It was asked and is waited for.
        Running = "running",
        /// It succeeded.
        Done = "done",
        /// It answered with an error.
        Failed = "failed",
        /// It panicked.
        Panicked = "panicked",
        /// It could not be asked: its actor has stopped. Or its event loop was stopped before it answered, as
        /// `System::stop()` does.
        Unreachable = "unreachable",
        /// Its own timeout ran out.
        TimedOut = "timed_out",
        /// The deadline or a second signal came first.
        CutOff = "cut_off",
    }
}

/// How a task can end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskResult {
    /// It succeeded.
    Done,
    /// It answered with an error.
    Failed,
    /// It panicked.
    Panicked,
    /// It could not be asked: its mailbox is closed. Or its event loop was stopped.
    Unreachable,
}

impl From<TaskResult> for TaskStatus {
    fn from(result: TaskResult) -> Self {
        match result {
            TaskResult::Done => Self::Done,
            TaskResult::Failed => Self::Failed,
            TaskResult::Panicked => Self::Panicked,
            TaskResult::Unreachable => Self::Unreachable,
        }
    }
}

/// The process's exit code for each outcome but the clean one, whose code is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCodes {
    /// For [`Outcome::Forced`].
    pub forced: u8,
    /// For [`Outcome::TimedOut`].
    pub timed_out: u8,
    /// For [`Outcome::Incomplete`].
    pub incomplete: u8,
}

impl Default for ExitCodes {
    fn default() -> Self {
        Self { forced: 1, timed_out: 1, incomplete: 3 }
    }
}

impl ExitCodes {
    /// The code for an outcome.
    #[must_use]
    pub const fn of(&self, outcome: Outcome) -> u8 {
        match outcome {
            Outcome::Clean => 0,
            Outcome::Incomplete => self.incomplete,
            Outcome::TimedOut => self.timed_out,
            Outcome::Forced => self.forced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_value() {
        assert!(Outcome::ALL.iter().all(|it| Outcome::from_name(it.name()) == Some(*it)));
        assert!(EndedBy::ALL.iter().all(|it| EndedBy::from_name(it.name()) == Some(*it)));
        assert!(TaskStatus::ALL.iter().all(|it| TaskStatus::from_name(it.name()) == Some(*it)));
        assert_eq!(Outcome::from_name("Clean"), None);
    }
}
