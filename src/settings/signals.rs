//! Which names `shutdown.signals` may hold.

use super::redact::quoted;
use super::suggest::suggest;
use crate::os::signals::{SignalName, SignalNameError};

/// What the key takes, for messages.
pub(super) fn allowed() -> String {
    let names: Vec<&str> = SignalName::ALL.iter().map(|name| name.as_str()).collect();
    format!("a list with at least one of {}", names.join(", "))
}

/// Reads a whole list; an error says why it is refused. Names of other platforms are accepted, so that one file
/// serves all, but they alone would leave nothing that could start the exit.
pub(super) fn read<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<SignalName>, String> {
    let names = names.into_iter().map(SignalName::parse).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|error| match error {
        SignalNameError::Unknown { given } => {
            match suggest(&given, SignalName::ALL.iter().map(|name| name.as_str())) {
                Some(meant) => {
                    format!("{} is no signal that is known; did you mean {meant}?", quoted(&given))
                }
                None => format!("{} is no signal that is known", quoted(&given)),
            }
        }
        SignalNameError::Uncatchable { .. } | SignalNameError::Fault { .. } => error.to_string(),
    })?;
    if names.iter().any(|name| name.is_native()) {
        Ok(names)
    } else {
        Err("it holds no signal of this platform, and nothing could start the exit".to_owned())
    }
}
