//! The admin + business application: two actix-web servers, a write-behind cache, and an exit that loses nothing.

mod business;
mod cli;
mod inherited;
mod plan;
mod progress;
mod report;
mod run;
#[cfg(windows)]
mod service;

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: a signal that comes while the settings are read waits until it can be handled.
    graceful_exit::os::signals::block();
    #[cfg(unix)]
    {
        graceful_exit::os::limits::report_file_size_limit();
        graceful_exit::os::limits::raise_descriptor_limit();
    }
    cli::main()
}

/// The exit codes that stand for no outcome of an exit.
mod exit_code {
    /// The command line or the settings are wrong; nothing was started.
    pub(crate) const USAGE: u8 = 2;
    /// Start-up failed.
    pub(crate) const START: u8 = 4;
}
