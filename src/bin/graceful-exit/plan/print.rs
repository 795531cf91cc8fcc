//! How the plan is printed.

use clap::ValueEnum;
use graceful_exit::settings::Loaded;

use super::{blocks, json, platform::GracePeriod, shutdown, text};

/// How the plan is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Kubernetes,
    Systemd,
    Compose,
}

/// The plan of the settings.
pub(crate) fn print(loaded: &Loaded, format: Format, grace: GracePeriod) -> String {
    match shutdown::plan(&loaded.settings) {
        Ok(plan) => match format {
            Format::Text => text::text(&plan, loaded, grace),
            Format::Json => json::json(&plan, loaded, grace),
            Format::Kubernetes => blocks::kubernetes(&plan, &loaded.settings, grace),
            Format::Systemd => blocks::systemd(&plan, &loaded.settings),
            Format::Compose => blocks::compose(&plan, &loaded.settings),
        },
        // The settings allow no such plan: their limits are checked, and the members are this program's.
        Err(error) => format!("{error}\n"),
    }
}
