//! Which names `shutdown.signals` may hold.

use super::nearest::nearest;
use super::secret::quoted;

/// Every name that may be given, and whether this platform has it. The others are accepted and ignored,
/// so that one file serves all platforms.
const NAMES: &[(&str, bool)] = &[
    ("SIGHUP", cfg!(unix)),
    ("SIGINT", cfg!(unix)),
    ("SIGQUIT", cfg!(unix)),
    ("SIGILL", cfg!(unix)),
    ("SIGTRAP", cfg!(unix)),
    ("SIGABRT", cfg!(unix)),
    ("SIGSYS", cfg!(unix)),
    ("SIGTERM", cfg!(unix)),
    ("SIGUSR1", cfg!(unix)),
    ("SIGUSR2", cfg!(unix)),
    ("SIGALRM", cfg!(unix)),
    ("SIGXCPU", cfg!(unix)),
    ("SIGPWR", cfg!(target_os = "linux")),
    ("CTRL_C", cfg!(windows)),
    ("CTRL_BREAK", cfg!(windows)),
    ("CTRL_CLOSE", cfg!(windows)),
    ("CTRL_LOGOFF", cfg!(windows)),
    ("CTRL_SHUTDOWN", cfg!(windows)),
];

/// What the key takes, for messages.
pub(super) fn allowed() -> String {
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    format!("a list with at least one of {}", names.join(", "))
}

/// Checks a whole list; what comes back says why it is refused.
pub(super) fn check<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let mut caught_here = false;
    for given in names {
        caught_here |= match NAMES.iter().find(|(name, _)| *name == given) {
            Some((_, native)) => *native,
            None => return Err(why_not(given)),
        };
    }
    if caught_here {
        Ok(())
    } else {
        Err("it holds no signal of this platform, and nothing could start the exit".to_owned())
    }
}

fn why_not(given: &str) -> String {
    match given {
        "SIGKILL" | "SIGSTOP" => format!("{given}: no process can catch it"),
        "SIGSEGV" | "SIGBUS" | "SIGFPE" => {
            format!("{given}: it reports a fault, after which the process cannot go on")
        }
        _ => match nearest(given, NAMES.iter().map(|(name, _)| *name)) {
            Some(meant) => format!("{} is no signal that is known; did you mean {meant}?", quoted(given)),
            None => format!("{} is no signal that is known", quoted(given)),
        },
    }
}
