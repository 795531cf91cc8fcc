//! Settings, from every layer, right and wrong.

mod defaults;
mod layers;
mod refusals;
mod robustness;

use std::error::Error;

use super::{Layers, Settings, SettingsError};

type Outcome = Result<(), Box<dyn Error>>;

fn set(pairs: &[&str]) -> Result<Settings, SettingsError> {
    Settings::load(&Layers { set: pairs.iter().map(ToString::to_string).collect(), ..Layers::default() })
}

fn environment(variables: &[(&str, &str)]) -> Layers {
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Layers { environment, ..Layers::default() }
}

/// The one message of settings that must not load.
fn refusal(loaded: Result<Settings, SettingsError>) -> String {
    match loaded {
        Ok(settings) => panic!("loaded {settings:?}"),
        Err(error) => error.to_string(),
    }
}
