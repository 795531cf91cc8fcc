//! [`Armed`]: the signals that are caught, and the hard stop.

use std::{mem, time::Duration};

use crate::{
    os::{
        hard_stop::{Cause, HardStop},
        signals::{ReceivedSignal, Sender, SignalName, Signals},
    },
    sequence::{Meaning, Signal, SignalKind},
};

/// How long after a signal during the start the process ends, whatever blocks it.
const HARD_STOP_DURING_START: Duration = Duration::from_millis(500);

/// What catches signals, and what ends the process when nothing else does.
#[derive(Clone)]
pub(super) struct Armed {
    /// None where the process goes on after the exit.
    pub(super) hard_stop: Option<HardStop>,
    /// None where no signal is to be caught.
    pub(super) signals: Option<Signals>,
}

impl Armed {
    /// Takes back what `GracefulExit::arm` did.
    pub(super) fn retire(mut self) {
        if let Some(hard_stop) = &self.hard_stop {
            hard_stop.retire();
        }
        if let Some(signals) = mem::take(&mut self.signals) {
            signals.uninstall();
        }
    }
}

/// A caught signal as the rule of the second signal sees it.
pub(super) fn signal(caught: ReceivedSignal) -> Signal {
    let kind = match (caught.name, caught.sender) {
        (SignalName::Hup, Sender::Kernel) => SignalKind::TerminalGone,
        (SignalName::Hup, _) => SignalKind::Sighup,
        _ => SignalKind::Other,
    };
    Signal::new(caught.time(), kind)
}

/// How a signal arms the hard stop of a process that starts: the cause, the time that is left, and the exit code. `age`
/// is the time since the signal. `None` for a signal that repeats a request.
pub(super) fn arming_during_start(
    meaning: Meaning,
    age: Duration,
    forced: u8,
) -> Option<(Cause, Duration, u8)> {
    match meaning {
        Meaning::First => Some((Cause::Finished, HARD_STOP_DURING_START.saturating_sub(age), 0)),
        Meaning::Repeated => None,
        Meaning::Second => Some((Cause::Forced, Duration::ZERO, forced)),
    }
}
