//! What asks the process to stop: signals on Unix, console control events on Windows.
//!
//! The order at the start of a program:
//!
//! 1. [`block`], the first thing in `main`: a signal that arrives before the next step stays pending.
//! 2. [`Signals::install`], before any other thread starts, before anything is bound, and before any file is opened that
//!    can block.
//! 3. [`Signals::replace`], once the settings say which signals are to be caught.
//! 4. [`Signals::first`] between the steps of the start: whether to take everything back.
//! 5. [`Signals::deliver_to`], once the supervisor is there to carry out the exit.
//! 6. [`Signals::uninstall`], when the exit is over and the process goes on.
//!
//! # What is not promised
//!
//! - The kernel merges two equal signals when the second is sent before the first has reached the process; nothing later does.
//! - On Windows an earlier handler of the same event is not called: Windows calls handlers until one has dealt with the
//!   event, the last installed first.
//! - On Apple's systems the kernel gives the same information for a SIGTRAP that was sent as for a breakpoint (on arm64 the same holds for
//!   SIGILL): there they end the process by their signal.
//! - The first process of a PID namespace that traps, aborts or makes a forbidden system call ends with a core, but by SIGSEGV or SIGABRT.

mod dispatcher;
mod error;
mod name;
mod received;
#[cfg(all(test, unix))]
mod tests;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

pub use dispatcher::Signals;
pub use error::InstallError;
pub use name::{SignalName, SignalNameError};
pub use platform::{block, unblock};
pub use received::{ReceivedSignal, Sender};

use std::time::Duration;

/// Returns those of `names` after which this platform ends the process by force before `deadline`, and how long it waits:
/// the shortest wait, where they differ. `None` where it waits for the exit.
///
/// Only Windows does so, after `CTRL_CLOSE`, `CTRL_LOGOFF` and `CTRL_SHUTDOWN`: 5 s, unless `HungAppTimeout` or
/// `WaitToKillAppTimeout` in the registry's `HKEY_CURRENT_USER\Control Panel\Desktop` say otherwise.
pub fn cut_short(names: &[SignalName], deadline: Duration) -> Option<(Vec<SignalName>, Duration)> {
    let waits = names.iter().filter_map(|&name| Some((name, platform::grace_period(name)?)));
    let waits: Vec<_> = waits.filter(|(_, wait)| *wait < deadline).collect();
    let shortest = waits.iter().map(|(_, wait)| *wait).min()?;
    Some((waits.into_iter().map(|(name, _)| name).collect(), shortest))
}
