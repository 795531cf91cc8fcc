//! What arms the hard stop: each signal, the beginning of an exit, and a `System` that the program has stopped.

use std::{sync::Arc, time::Duration};

use super::{
    GracefulExit,
    armed::{arming_during_start, signal},
    builder::OnFinish,
    handle::{RunState, Shared},
};
use crate::{
    os::{
        hard_stop::{Cause, HardStop},
        signals::ReceivedSignal,
    },
    sequence::{ExitCodes, Meaning, SignalRule},
};

/// How much later than the deadline the hard stop ends a process that did not end by itself.
pub(super) const HARD_STOP_AFTER_DEADLINE: Duration = Duration::from_millis(250);
/// The same after a second signal.
const HARD_STOP_AFTER_SECOND_SIGNAL: Duration = Duration::from_millis(100);
/// How long an exit may take that the program has begun by `System::stop()`: the process is gone within 5 s.
const SYSTEM_STOP_TIMEOUT: Duration = Duration::from_millis(4500);

impl GracefulExit {
    /// Returns what the signals' own thread does at each signal, whatever hangs elsewhere.
    pub(super) fn on_signal(&self, hard_stop: Option<HardStop>) -> impl FnMut(ReceivedSignal) + Send + use<> {
        let rules =
            ArmingRules { timeout: self.timeouts.timeout, codes: self.codes, on_finish: self.on_finish };
        let shared = Arc::clone(&self.shared);
        let mut rule = SignalRule::new(&self.timeouts);
        move |caught| {
            let meaning = rule.receive(signal(caught));
            let (is_starting, settled) = (is_starting(&shared), shared.settled.get().copied());
            if let Some((cause, after, code)) =
                rules.arming(meaning, is_starting, caught.at.elapsed(), settled)
            {
                arm(hard_stop.as_ref(), cause, after, code);
            }
            // Only now: it allocates, and reads a file.
            shared.request(&caught.describe());
        }
    }
}

/// What decides how a signal arms the hard stop.
#[derive(Clone, Copy)]
struct ArmingRules {
    timeout: Duration,
    codes: ExitCodes,
    on_finish: OnFinish,
}

impl ArmingRules {
    /// How a signal arms the hard stop: the cause, the time that is left, and the exit code. `age` is the time since
    /// the signal, and `settled` the exit code once it is final. `None` for a signal that repeats a request.
    fn arming(
        self,
        meaning: Meaning,
        is_starting: bool,
        age: Duration,
        settled: Option<u8>,
    ) -> Option<(Cause, Duration, u8)> {
        match meaning {
            _ if is_starting => arming_during_start(meaning, age, self.codes.forced),
            Meaning::First => {
                let after = self.timeout.saturating_add(HARD_STOP_AFTER_DEADLINE);
                Some((Cause::Deadline, after, self.codes.timed_out))
            }
            Meaning::Repeated => None,
            Meaning::Second => {
                let (cause, code) = forced_end(settled, self.on_finish, self.codes.forced);
                Some((cause, HARD_STOP_AFTER_SECOND_SIGNAL, code))
            }
        }
    }
}

/// The cause and the exit code of a second signal. Where the process ends with the exit, a signal does not change an
/// outcome that is settled: that may have been reported already. Where the program does work of its own after `run`, a
/// signal forces that.
fn forced_end(settled: Option<u8>, on_finish: OnFinish, forced: u8) -> (Cause, u8) {
    match (settled, on_finish) {
        (Some(code), OnFinish::Exit) => (Cause::Finished, code),
        _ => (Cause::Forced, forced),
    }
}

fn is_starting(shared: &Shared) -> bool {
    matches!(*shared.run.borrow(), RunState::Starting)
}

/// Returns what is called when the exit begins: it arms the hard stop for the deadline.
pub(super) fn at_begin(hard_stop: Option<HardStop>, deadline: Duration, code: u8) -> impl FnMut() + Send {
    move || {
        if let Some(hard_stop) = &hard_stop {
            // In place of the one for a signal during the start.
            hard_stop.rearm(Cause::Deadline, deadline.saturating_add(HARD_STOP_AFTER_DEADLINE), code);
        }
    }
}

/// Returns what tells how long the exit may take once the program has stopped its `System`; it arms the hard stop for
/// that.
pub(super) fn at_system_stop(hard_stop: Option<HardStop>, code: u8) -> impl FnMut() -> Duration + Send {
    move || {
        let after = SYSTEM_STOP_TIMEOUT.saturating_add(HARD_STOP_AFTER_DEADLINE);
        arm(hard_stop.as_ref(), Cause::Deadline, after, code);
        SYSTEM_STOP_TIMEOUT
    }
}

pub(super) fn arm(hard_stop: Option<&HardStop>, cause: Cause, after: Duration, code: u8) {
    if let Some(hard_stop) = hard_stop {
        hard_stop.arm(cause, after, code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_a_start_in_half_a_second_and_an_exit_by_its_deadline_and_a_second_one_either_at_once() {
        let codes = ExitCodes { timed_out: 11, forced: 12, ..ExitCodes::default() };
        let timeout = Duration::from_secs(25);
        let rules = ArmingRules { timeout, codes, on_finish: OnFinish::Exit };
        let age = Duration::from_millis(100);
        let arming = |meaning, is_starting| rules.arming(meaning, is_starting, age, None);
        let start = Duration::from_millis(400);
        assert_eq!(arming(Meaning::First, true), Some((Cause::Finished, start, 0)));
        let deadline = timeout + HARD_STOP_AFTER_DEADLINE;
        assert_eq!(arming(Meaning::First, false), Some((Cause::Deadline, deadline, 11)));
        assert_eq!(arming(Meaning::Second, true), Some((Cause::Forced, Duration::ZERO, 12)));
        let after = HARD_STOP_AFTER_SECOND_SIGNAL;
        assert_eq!(arming(Meaning::Second, false), Some((Cause::Forced, after, 12)));
        assert_eq!(rules.arming(Meaning::Second, false, age, Some(3)), Some((Cause::Finished, after, 3)));
        assert_eq!((arming(Meaning::Repeated, true), arming(Meaning::Repeated, false)), (None, None));
    }

    #[test]
    fn a_second_signal_keeps_the_code_of_an_outcome_that_is_settled_and_forces_what_is_not() {
        assert_eq!(forced_end(None, OnFinish::Exit, 1), (Cause::Forced, 1));
        assert_eq!(forced_end(Some(3), OnFinish::Exit, 1), (Cause::Finished, 3));
        for runs_on in [OnFinish::Continue, OnFinish::Return] {
            assert_eq!(
                forced_end(Some(3), runs_on, 1),
                (Cause::Forced, 1),
                "the program's own work may hang"
            );
        }
    }
}
