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

/// What the rule of the second signal has to know of this one.
pub(super) fn signal(caught: ReceivedSignal) -> Signal {
    let kind = match (caught.name, caught.sender) {
        (SignalName::Hup, Sender::Kernel) => SignalKind::TerminalGone,
        (SignalName::Hup, _) => SignalKind::Sighup,
        _ => SignalKind::Other,
    };
    Signal { at: caught.time(), kind }
}

/// Why, when and with which code the hard stop is to end a process that starts, after a signal of this meaning, of this
/// age; none for one that repeats a request.
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
