//! The admin + business application: two actix-web servers, a write-behind cache, and an exit that loses nothing.

#![expect(
    clippy::incompatible_msrv,
    reason = "its dependencies need a newer Rust than the library, whose floor is the package's"
)]

mod business;
mod cli;
mod client;
mod config;
mod exit;
mod holder;
mod inherited;
mod locale;
mod output;
mod plan;
mod progress;
mod report;
mod run;
mod servers;
#[cfg(windows)]
mod service;
mod start_error;
mod view;

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: a signal that comes while the settings are read waits until it can be handled.
    graceful_exit::os::signals::block();
    #[cfg(unix)]
    graceful_exit::os::limits::save_address_space();
    if let Err(error) = graceful_exit::reap_orphans() {
        return output::fail(output::exit_code::START, &error);
    }
    #[cfg(unix)]
    {
        graceful_exit::os::limits::report_file_size_limit();
        graceful_exit::os::limits::raise_descriptor_limit();
    }
    cli::main()
}
