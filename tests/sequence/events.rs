//! What each event means, given the history, and what of it is recorded.

use graceful_exit::sequence::{Event, Plan, Signal, SignalKind, TaskId, TaskStatus, Timer};

use super::{ledger::Ledger, meaning::Meaning, promise::Promise};

impl Ledger {
    pub(super) fn meaning(&self, plan: &Plan, event: Event) -> Meaning {
        if self.is_over() {
            return Meaning::Nothing(Promise::NothingAfterTheExit);
        }
        match event {
            Event::Signal(Signal { at, kind, .. }) => match self.first_signal {
                None if self.begun => Meaning::Remembered,
                None => Meaning::Begin,
                Some(first) => {
                    let by_kernel = kind == SignalKind::TerminalGone;
                    let by_process = kind == SignalKind::Sighup;
                    let is_same_sighup = self.terminal_is_gone && by_process
                        || (self.terminal_is_gone || self.has_sighup_of_process) && by_kernel;
                    let is_news =
                        !self.terminal_is_gone && (by_kernel || by_process && !self.has_sighup_of_process);
                    if !is_same_sighup && at.abs_diff(first) > plan.timeouts().coalesce {
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

    /// The tasks whose timeout this event is.
    pub(super) fn due(&self, plan: &Plan, event: Event) -> Vec<TaskId> {
        let Event::Timer(timer @ (Timer::Checkpoint { .. } | Timer::Task { .. })) = event else {
            return Vec::new();
        };
        if self.is_over() || !self.live.contains(&timer) {
            return Vec::new();
        }
        self.waiting().into_iter().filter(|&task| Timer::of(plan, task) == timer).collect()
    }

    pub(super) fn record(&mut self, plan: &Plan, meaning: Meaning, event: Event) {
        if let Meaning::Nothing(_) = meaning {
            return;
        }
        match event {
            Event::Signal(Signal { at, kind, .. }) => {
                self.first_signal = self.first_signal.or(Some(at));
                self.terminal_is_gone |= kind == SignalKind::TerminalGone;
                self.has_sighup_of_process |= kind == SignalKind::Sighup;
            }
            Event::Stop => {}
            Event::TaskFinished { task, result } => {
                self.statuses.insert(task, result.into());
            }
            Event::MemberFailed { member } => {
                self.dead.insert(member);
                for task in self.waiting() {
                    if plan.task(task).member == member {
                        self.statuses.insert(task, TaskStatus::Unreachable);
                    }
                }
            }
            Event::Timer(timer) => {
                self.live.remove(&timer);
            }
        }
        self.release_callbacks(plan);
    }
}
