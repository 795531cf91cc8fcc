//! The command line.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use graceful_exit::{
    Language,
    settings::{Layers, Settings, SettingsError},
};

use crate::{exit_code, plan, report, run};

/// An admin and a business server that stop without losing an answer or a cached write.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(flatten)]
    layers: LayerArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What may stand before the subcommand and after it, and counts in that order. (clap's `global` would let what
/// stands after replace what stands before.)
#[derive(Debug, Default, Args)]
struct LayerArguments {
    /// Lay FILE over the built-in defaults; later ones win.
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Set one key, as in `shutdown.timeout=8s`; later ones win, and all of them over files and environment.
    #[arg(short, long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run both servers until asked to stop (this is the default).
    Run {
        #[command(flatten)]
        layers: LayerArguments,
    },
    /// Run both servers as a Windows service, which the service manager starts and stops.
    #[cfg(windows)]
    Service {
        #[command(flatten)]
        layers: LayerArguments,
    },
    /// Start nothing: check the settings, and print the shutdown that they lead to.
    Plan {
        #[command(flatten)]
        layers: LayerArguments,
        /// How to print it.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        patience: plan::Patience,
    },
    /// Print a report file as a person reads it.
    Report {
        /// The file that `report.path` named.
        file: PathBuf,
        /// Draw its timeline to OUT as well.
        #[arg(long, value_name = "OUT")]
        svg: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    /// The block of a Deployment.
    Kubernetes,
    /// The block of a unit.
    Systemd,
}

pub(crate) fn main() -> ExitCode {
    let Arguments { layers, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; an output that is closed is not ours to complain about.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit_code::USAGE } else { 0 });
        }
    };
    match command.unwrap_or(Command::Run { layers: LayerArguments::default() }) {
        Command::Run { layers: more } => match load(layers, more) {
            Ok(settings) => run::main(settings),
            Err(error) => fail(exit_code::USAGE, &error),
        },
        #[cfg(windows)]
        Command::Service { layers: more } => match load(layers, more) {
            Ok(settings) => crate::service::main(settings),
            Err(error) => fail(exit_code::USAGE, &error),
        },
        Command::Plan { layers: more, format, patience } => {
            graceful_exit::os::signals::unblock();
            match load(layers, more) {
                Ok(settings) => print(&plan::print(&settings, format, patience)),
                Err(error) => fail(exit_code::USAGE, &error),
            }
        }
        Command::Report { file, svg } => {
            graceful_exit::os::signals::unblock();
            match report::print(&file, svg.as_deref(), Language::from_environment()) {
                Ok(text) => print(&text),
                Err(error) => fail(exit_code::USAGE, &error),
            }
        }
    }
}

fn load(mut layers: LayerArguments, more: LayerArguments) -> Result<Settings, SettingsError> {
    layers.config.extend(more.config);
    layers.set.extend(more.set);
    Settings::load(&Layers { files: layers.config, set: layers.set, environment: env::vars_os().collect() })
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
