//! What the commands print, and the exit codes that are not those of an exit.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use graceful_exit::{locale::escaped, os::journal};
use log::Level;

/// The exit codes that are not those of an exit.
pub(crate) mod exit_code {
    /// Standard output cannot be written.
    pub(crate) const OUTPUT: u8 = 1;
    /// The command line or the settings are wrong; nothing was started.
    pub(crate) const USAGE: u8 = 2;
    /// `status`: it is exiting.
    pub(crate) const EXITING: u8 = 3;
    /// Start-up failed.
    pub(crate) const START: u8 = 4;
    /// `status` and `stop`: nothing answers that is this application.
    pub(crate) const NO_ANSWER: u8 = 4;
}

/// Prints to standard output. That the reader has closed it is no error.
pub(crate) fn print(text: &str) -> ExitCode {
    printed(io::stdout().write_all(text.as_bytes()))
}

/// The exit code after so much has been printed to standard output.
pub(crate) fn printed(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(exit_code::OUTPUT, &error),
    }
}

/// Prints a message to standard error, each line with the program's name, and gives the exit code.
pub(crate) fn fail(code: u8, error: &dyn Display) -> ExitCode {
    tell(Level::Error, error);
    ExitCode::from(code)
}

/// Prints a warning to standard error, each line with the program's name.
pub(crate) fn warn(message: &dyn Display) {
    tell(Level::Warn, message);
}

/// Each line begins with its priority, where journald reads it, and with the program's name. Invisible characters are
/// escaped. A failure to print is ignored.
fn tell(level: Level, message: &dyn Display) {
    let priority = journal::prefix(level);
    for line in message.to_string().lines() {
        let _ = writeln!(io::stderr(), "{priority}graceful-exit: {}", escaped(line));
    }
}
