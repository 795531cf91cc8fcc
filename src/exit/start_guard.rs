//! [`StartGuard`]: signals before there is an exit.

use super::{
    armed::{Armed, arming_during_start, signal},
    error::StartError,
};
use crate::{
    locale::Language,
    os::{
        hard_stop::{HardStop, Messages},
        journal,
        signals::{ReceivedSignal, SignalName, Signals},
    },
    sequence::{ExitCodes, SignalRule, Timeouts},
};

/// Catches signals from the first moment of a program on, before its settings say which.
///
/// Reading settings, opening a log and looking up a name can block. With this, a signal that comes meanwhile ends the
/// process within half a second, with the exit code 0, and a second one ends it at once, with 1. It is the first thing
/// in `main`, before any other thread starts, and is handed to the exit as soon as there is one:
/// [`GracefulExit::start_guard`](super::GracefulExit::start_guard). What was caught by then counts for the exit; a
/// signal that the exit is not to catch takes its default effect.
///
/// ```no_run
/// use graceful_exit::{GracefulExit, StartError, StartGuard};
///
/// fn main() -> Result<(), StartError> {
///     let guard = StartGuard::new()?;
///     let settings = std::fs::read_to_string("settings.toml");
///     let exit = GracefulExit::builder().start_guard(guard);
///     # drop(settings);
///     exit.run_blocking()?.exit()
/// }
/// ```
///
/// Dropping it takes everything back: what was caught takes its default effect.
#[must_use = "dropped, it catches nothing"]
#[derive(Debug)]
pub struct StartGuard {
    /// `None` once it was handed over.
    armed: Option<(HardStop, Signals)>,
}

impl StartGuard {
    /// Catches [`SignalName::DEFAULT`].
    ///
    /// # Errors
    /// When a thread cannot be started, or a signal cannot be caught.
    pub fn new() -> Result<Self, StartError> {
        let language = Language::default();
        let forced = format!("{}{}", journal::prefix(log::Level::Error), language.hard_stop_forced());
        let messages = Messages { forced: forced.into(), ..Messages::default() };
        let hard_stop = HardStop::start(messages).map_err(StartError::HardStop)?;
        let signals = Signals::install(SignalName::DEFAULT, on_signal(hard_stop.clone()));
        match signals {
            Ok(signals) => Ok(Self { armed: Some((hard_stop, signals)) }),
            Err(error) => {
                hard_stop.retire();
                Err(StartError::Signals(error))
            }
        }
    }

    /// Hands the signals to the exit, which catches `names` and arms `hard_stop` from now on.
    pub(super) fn hand_over(
        mut self,
        hard_stop: Option<HardStop>,
        names: &[SignalName],
        on_signal: impl FnMut(ReceivedSignal) + Send + 'static,
    ) -> Result<Armed, StartError> {
        let Some((own, signals)) = self.armed.take() else { return Err(StartError::Supervisor) };
        let replaced = signals.replace(names, on_signal);
        own.retire();
        match replaced {
            Ok(()) => Ok(Armed { hard_stop, signals: Some(signals) }),
            Err(error) => {
                signals.uninstall();
                Err(StartError::Signals(error))
            }
        }
    }
}

impl Drop for StartGuard {
    fn drop(&mut self) {
        if let Some((hard_stop, signals)) = self.armed.take() {
            // The default effect of what was caught ends the process here.
            let _ = signals.replace(&[], |_| ());
            signals.uninstall();
            hard_stop.retire();
        }
    }
}

fn on_signal(hard_stop: HardStop) -> impl FnMut(ReceivedSignal) + Send {
    let mut rule = SignalRule::new(&Timeouts::default());
    let forced = ExitCodes::default().forced;
    move |caught| {
        let meaning = rule.receive(signal(caught));
        if let Some((cause, after, code)) = arming_during_start(meaning, caught.at.elapsed(), forced) {
            hard_stop.arm(cause, after, code);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::Command, thread};

    use super::*;
    use crate::os::process::{Process, TestResult, part, say};

    const CHILD: &str = "exit::start_guard::tests::child";
    const SIGTERM: i32 = 15;

    #[test]
    fn child() -> TestResult {
        let Some(_) = part() else { return Ok(()) };
        drop(StartGuard::new()?);
        say("dropped");
        loop {
            thread::park();
        }
    }

    #[test]
    fn when_it_is_dropped_signals_have_their_default_effect_again() -> TestResult {
        let mut process = Process::start(CHILD, "dropped", |_| {})?;
        assert_eq!(process.line()?, "dropped");
        assert!(Command::new("sh").args(["-c", &format!("kill -TERM {}", process.id())]).status()?.success());
        assert_eq!(process.wait()?.signal(), Some(SIGTERM));
        Ok(())
    }
}
