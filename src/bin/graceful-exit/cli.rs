//! The command line.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use graceful_exit::{
    ReportFile,
    settings::{Layers, Settings},
};

use crate::{exit_code, plan, run};

/// An admin and a business server that stop without losing an answer or a cached write.
#[derive(Debug, Parser)]
#[command(version, about, args_conflicts_with_subcommands = false)]
struct Arguments {
    /// Lay FILE over the built-in defaults; later ones win.
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
    /// Set one key, as in `shutdown.timeout=8s`; later ones win, and all of them over files and environment.
    #[arg(short, long, value_name = "KEY=VALUE", global = true)]
    set: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Run both servers until asked to stop (this is the default).
    Run,
    /// Start nothing: check the settings, and print the shutdown that they lead to.
    Plan {
        /// How to print it.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Print a report file as a person reads it.
    Report {
        /// The file that `report.path` named.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

pub(crate) fn main() -> ExitCode {
    let Arguments { config, set, command } = match arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    if !matches!(command, None | Some(Command::Run)) {
        graceful_exit::os::signals::release();
    }
    if let Some(Command::Report { file }) = command {
        return report(&file);
    }
    let layers = Layers { files: config, set, environment: env::vars_os().collect() };
    let settings = match Settings::load(&layers) {
        Ok(settings) => settings,
        Err(error) => return fail(exit_code::USAGE, &error),
    };
    match command.unwrap_or(Command::Run) {
        Command::Run => run::main(settings),
        Command::Plan { format } => print(&plan::print(&settings, format)),
        Command::Report { .. } => ExitCode::SUCCESS,
    }
}

/// `-c` and `-s` may be repeated before the subcommand and after it.
fn arguments() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        // Help and version are no errors; a closed output is not ours to complain about.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(exit_code::USAGE) } else { ExitCode::SUCCESS }
    })
}

fn report(file: &std::path::Path) -> ExitCode {
    match ReportFile::read(file) {
        Ok(report) => print(&format!("{report:#?}\n")),
        Err(error) => fail(exit_code::USAGE, &error),
    }
}

/// Prints to standard output; a reader that has left has read enough.
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

/// One message on standard error, and the exit code.
pub(crate) fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "graceful-exit: {error}");
    ExitCode::from(code)
}
