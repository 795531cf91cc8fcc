//! Which signal starts an exit, which repeats the same request, and which forces the end.

use std::time::Duration;

use super::timeouts::Timeouts;

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal {
    /// The time since a fixed instant of the caller's choice; only differences count.
    pub at: Duration,
    /// Its kind.
    pub kind: SignalKind,
}

impl Signal {
    /// A signal of this kind, at this time.
    #[must_use]
    pub const fn new(at: Duration, kind: SignalKind) -> Self {
        Self { at, kind }
    }
}

/// The kinds of signals that the rule distinguishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignalKind {
    /// Any signal but SIGHUP.
    #[default]
    Other,
    /// A SIGHUP that a process sent.
    Sighup,
    /// A SIGHUP that the kernel sent because the terminal went away.
    TerminalGone,
}

/// What a signal means, given those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The first one: it starts the exit, unless something else has started it before.
    First,
    /// The same request as an earlier one.
    Repeated,
    /// A second request: it forces the end.
    Second,
}

/// Tells the meaning of each signal. The machine and the hard stop both use this one rule.
///
/// A signal at most `coalesce` after the first one is the same request: service managers and shells send two at once.
/// Signals that two threads caught at the same time may arrive in reverse order. When a terminal goes away, the kernel
/// and the shell both send a SIGHUP, in either order and possibly seconds apart. These are one request: of two SIGHUPs,
/// one of them the kernel's, the second never forces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignalRule {
    coalesce: Duration,
    first: Option<Duration>,
    /// The kind of the last SIGHUP; `Other` before any. [`SignalKind::TerminalGone`] is never replaced.
    last_sighup: SignalKind,
}

impl SignalRule {
    /// Before any signal.
    #[must_use]
    pub const fn new(timeouts: &Timeouts) -> Self {
        Self { coalesce: timeouts.coalesce, first: None, last_sighup: SignalKind::Other }
    }

    /// The meaning of the next signal.
    pub fn receive(&mut self, signal: Signal) -> Meaning {
        let repeats_sighup = matches!(
            (self.last_sighup, signal.kind),
            (SignalKind::TerminalGone, SignalKind::Sighup | SignalKind::TerminalGone)
                | (SignalKind::Sighup, SignalKind::TerminalGone)
        );
        if signal.kind != SignalKind::Other && self.last_sighup != SignalKind::TerminalGone {
            self.last_sighup = signal.kind;
        }
        let Some(first) = self.first else {
            self.first = Some(signal.at);
            return Meaning::First;
        };
        if repeats_sighup || signal.at.abs_diff(first) <= self.coalesce {
            Meaning::Repeated
        } else {
            Meaning::Second
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COALESCE: Duration = Duration::from_millis(50);

    fn meanings(signals: &[(u64, SignalKind)]) -> Vec<Meaning> {
        let mut rule = SignalRule::new(&Timeouts::default().coalesce(COALESCE));
        let signal = |&(ms, kind)| Signal::new(Duration::from_millis(ms), kind);
        signals.iter().map(signal).map(|signal| rule.receive(signal)).collect()
    }

    #[test]
    fn a_signal_within_the_coalescing_time_is_the_same_request() {
        let other = SignalKind::Other;
        let times = [(1_000, other), (1_050, other), (1_051, other), (9_000, other)];
        assert_eq!(meanings(&times), [Meaning::First, Meaning::Repeated, Meaning::Second, Meaning::Second]);
    }

    #[test]
    fn without_a_coalescing_time_each_is_a_request_of_its_own_in_whatever_order_they_were_read() {
        for second in [1_001, 999] {
            let mut rule = SignalRule::new(&Timeouts::default().coalesce(Duration::ZERO));
            let mut receive = |ms| rule.receive(Signal::new(Duration::from_millis(ms), SignalKind::Other));
            assert_eq!([receive(1_000), receive(second)], [Meaning::First, Meaning::Second]);
        }
    }

    #[test]
    fn after_the_terminal_went_away_no_sighup_forces_however_late() {
        let sighups = [
            (0, SignalKind::TerminalGone),
            (3_000, SignalKind::Sighup),
            (60_000, SignalKind::TerminalGone),
            (61_000, SignalKind::Other),
        ];
        let repeated = Meaning::Repeated;
        assert_eq!(meanings(&sighups), [Meaning::First, repeated, repeated, Meaning::Second]);
    }

    #[test]
    fn the_kernels_sighup_after_the_shells_is_the_same_request_however_late() {
        let sighups =
            [(0, SignalKind::Sighup), (3_000, SignalKind::TerminalGone), (4_000, SignalKind::Other)];
        assert_eq!(meanings(&sighups), [Meaning::First, Meaning::Repeated, Meaning::Second]);
    }

    #[test]
    fn a_sighup_that_a_process_sent_is_a_request_like_any_other() {
        let second = |first, second| meanings(&[(0, first), (1_000, second)])[1];
        assert_eq!(second(SignalKind::Sighup, SignalKind::Sighup), Meaning::Second);
        assert_eq!(second(SignalKind::Other, SignalKind::TerminalGone), Meaning::Second);
        let gone = [(0, SignalKind::Other), (20, SignalKind::TerminalGone), (900, SignalKind::Sighup)];
        assert_eq!(meanings(&gone)[2], Meaning::Repeated, "the first signal need not be the terminal's");
    }
}
