//! How a benchmark is called: to measure, or by itself as a server to be measured.

use std::{fmt::Display, process::ExitCode};

use super::servers;

pub(crate) enum Call<Options> {
    Measure(Options),
    /// Run as a server to be measured; the benchmark starts itself this way.
    Serve(Vec<String>),
}

/// Does what the benchmark of this name was called for.
pub(crate) fn answer<Options, E: Display>(
    name: &str,
    call: Result<Call<Options>, String>,
    measure: impl FnOnce(&Options) -> Result<(), E>,
) -> ExitCode {
    let done = match call {
        Ok(Call::Serve(what)) => servers::main(&what).map_err(|error| error.to_string()),
        Ok(Call::Measure(options)) => measure(&options).map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The value of `--runs`.
pub(crate) fn runs(value: &str) -> Result<usize, String> {
    let runs = value.parse().ok().filter(|runs| (1..=1000).contains(runs));
    runs.ok_or_else(|| format!("--runs is 1 to 1000, not `{value}`"))
}
