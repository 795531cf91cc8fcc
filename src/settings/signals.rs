//! Which names `shutdown.signals` may hold.

use serde_json::Value as Shown;
use toml::de::DeValue;

use super::kind::{Kind, Refusal, text};
use super::suggest::suggest;
use crate::locale::Language;
use crate::os::signals::{SignalName, SignalNameError};

/// Names of signals. Names of other platforms are accepted, so that one file serves all; at least one has to be of
/// this platform, since nothing could start the exit otherwise.
pub(super) struct Signals;

impl Kind for Signals {
    type Value = Vec<SignalName>;

    fn takes_text(&self) -> bool {
        false
    }

    fn read(&self, value: &DeValue<'_>) -> Result<Vec<SignalName>, Refusal> {
        let list = value.as_array().ok_or(Refusal::NotAllowed)?;
        let (mut names, mut wrong) = (Vec::new(), Vec::new());
        for value in list {
            match SignalName::parse(text(value.get_ref()).ok_or(Refusal::NotAllowed)?) {
                Ok(name) => names.push(name),
                Err(error) => wrong.push(with_meant(error)),
            }
        }
        if !wrong.is_empty() {
            return Err(Refusal::Signals(wrong));
        }
        if names.iter().any(|name| name.is_native()) { Ok(names) } else { Err(Refusal::NoNativeSignal) }
    }

    fn show(&self, value: &Vec<SignalName>) -> Shown {
        value.iter().map(|name| name.as_str()).collect()
    }

    fn allowed(&self, language: Language) -> String {
        let names: Vec<_> = SignalName::ALL.iter().map(|name| name.as_str()).collect();
        language.settings_signals(&names.join(", "))
    }
}

/// The error, and what was probably meant.
fn with_meant(error: SignalNameError) -> (SignalNameError, Option<&'static str>) {
    let meant = match &error {
        SignalNameError::Unknown { given } => {
            suggest(given, SignalName::ALL.iter().map(|name| name.as_str()))
        }
        SignalNameError::Uncatchable { .. } | SignalNameError::Fault { .. } => None,
    };
    (error, meant)
}
