//! What an event means, given the history: [`Meaning`].

use graceful_exit::sequence::{Event, Plan, Signal, SignalKind, Timer};

use super::{ledger::Ledger, promise::Promise};

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

impl Ledger {
    pub(super) fn meaning(&self, plan: &Plan, event: Event) -> Meaning {
        if self.is_over() {
            return Meaning::Nothing(Promise::NothingAfterTheExit);
        }
        match event {
            Event::Signal(Signal { at, kind }) => match self.first_signal {
                None if self.begun => Meaning::Remembered,
                None => Meaning::Begin,
                Some(first) => {
                    let by_kernel = kind == SignalKind::TerminalGone;
                    let by_process = kind == SignalKind::Sighup;
                    let is_same_sighup = self.terminal_is_gone && by_process
                        || (self.terminal_is_gone || self.has_sighup_of_process) && by_kernel;
                    let is_news =
                        !self.terminal_is_gone && (by_kernel || by_process && !self.has_sighup_of_process);
                    if !is_same_sighup && at > first + plan.timeouts().coalesce {
                        Meaning::Force
                    } else if is_news {
                        // The first SIGHUP of each sender is remembered, and changes nothing else.
                        Meaning::Remembered
                    } else {
                        Meaning::Nothing(Promise::SecondSignalOnlyForces)
                    }
                }
            },
            Event::Stop | Event::MemberFailed { .. } if !self.begun => Meaning::Begin,
            Event::Stop => Meaning::Nothing(Promise::RepeatedRequestChangesNothing),
            Event::TaskFinished { task, .. } if self.waiting().contains(&task) => Meaning::Progress,
            Event::TaskFinished { .. } => Meaning::Nothing(Promise::LateAnswerChangesNothing),
            Event::MemberFailed { member } if self.dead.contains(&member) => {
                Meaning::Nothing(Promise::RepeatedRequestChangesNothing)
            }
            Event::Timer(timer) if !self.live.contains(&timer) => {
                Meaning::Nothing(Promise::StaleTimerChangesNothing)
            }
            Event::Timer(Timer::Deadline) => Meaning::Deadline,
            Event::MemberFailed { .. } | Event::Timer(Timer::Checkpoint { .. } | Timer::Task { .. }) => {
                Meaning::Progress
            }
        }
    }
}
