//! The command line: which command, with which settings.

mod help;
mod mistake;

use std::{env, future::Future, mem::ManuallyDrop, path::PathBuf, process::ExitCode};

use clap::{Args, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use graceful_exit::{
    Language, StartGuard,
    os::signals,
    settings::{Layers, Loaded},
};

use crate::{
    client::{self, Target},
    config,
    output::{exit_code, fail, print, printed},
    plan, report, run, start_error,
};

#[derive(Debug, Parser)]
#[command(name = "graceful-exit", version)]
struct Arguments {
    #[command(flatten)]
    layers: LayerArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What may stand before the subcommand and after it, and counts in that order. (clap's `global` would let what
/// stands after replace what stands before.)
#[derive(Clone, Debug, Default, Args)]
struct LayerArguments {
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[arg(short, long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

// The texts of the help are in `help.rs`, in each language; a test finds what has none.
#[derive(Debug, Subcommand)]
enum Command {
    Run {
        #[command(flatten)]
        layers: LayerArguments,
    },
    #[cfg(windows)]
    Service {
        #[command(flatten)]
        layers: LayerArguments,
    },
    Plan {
        #[command(flatten)]
        layers: LayerArguments,
        #[arg(long, value_enum, default_value = "text")]
        format: plan::Format,
        #[command(flatten)]
        grace_period: plan::GracePeriod,
    },
    Report {
        file: PathBuf,
        #[arg(long, value_name = "OUT")]
        svg: Option<PathBuf>,
    },
    Config {
        #[command(flatten)]
        layers: LayerArguments,
        #[command(subcommand)]
        command: ConfigCommand,
    },
    Status {
        #[command(flatten)]
        layers: LayerArguments,
        #[arg(long, value_enum, default_value = "text")]
        format: client::Format,
        #[arg(long)]
        url: Option<String>,
    },
    Stop {
        #[command(flatten)]
        layers: LayerArguments,
        #[arg(long)]
        wait: bool,
        #[arg(long)]
        url: Option<String>,
    },
    Completions {
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Show {
        #[command(flatten)]
        layers: LayerArguments,
        #[arg(long, value_enum, default_value = "toml")]
        format: config::Format,
    },
    Check {
        #[command(flatten)]
        layers: LayerArguments,
    },
    Default,
}

/// Runs the command that the arguments name.
pub(crate) fn main() -> ExitCode {
    let language = Language::from_environment();
    let matches = help::command::<Arguments>(language).try_get_matches();
    let Arguments { layers, command } = match matches.and_then(|found| Arguments::from_arg_matches(&found)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // What is printed here may block.
            signals::unblock();
            if let Some(message) = mistake::message(&error, language) {
                return fail(exit_code::USAGE, &message);
            }
            // Help and version are no errors.
            if !error.use_stderr() {
                return printed(error.print());
            }
            let _ = error.print(); // nothing can be done about standard error
            return ExitCode::from(exit_code::USAGE);
        }
    };
    let command = command.unwrap_or(Command::Run { layers: LayerArguments::default() });
    if !command.handles_signals() {
        signals::unblock();
    }
    match command {
        // Before anything that can block is read or opened.
        Command::Run { layers: more } => match StartGuard::new() {
            Ok(guard) => {
                // Never dropped: a start that failed ends with its own code, whatever signal comes meanwhile.
                let guard = ManuallyDrop::new(guard);
                with_settings(layers.and(more), |loaded| run::main(loaded, guard))
            }
            Err(error) => fail(exit_code::START, &start_error::message(&error, language)),
        },
        #[cfg(windows)]
        Command::Service { layers: more } => with_settings(layers.and(more), crate::service::main),
        Command::Plan { layers: more, format, grace_period } => {
            with_settings(layers.and(more), |loaded| print(&plan::print(&loaded, format, grace_period)))
        }
        Command::Report { file, svg } => match report::print(&file, svg.as_deref(), language) {
            Ok(text) => print(&text),
            Err(error) => fail(exit_code::USAGE, &error),
        },
        Command::Config { layers: middle, command } => {
            let layers = layers.and(middle);
            match command {
                ConfigCommand::Show { layers: more, format } => {
                    config::show(&layers.and(more).layers(), format)
                }
                ConfigCommand::Check { layers: more } => config::check(&layers.and(more).layers()),
                ConfigCommand::Default => config::default(),
            }
        }
        Command::Status { layers: more, format, url } => {
            with_target(layers.and(more), url.as_deref(), async |target| {
                client::status(&target, format).await
            })
        }
        Command::Stop { layers: more, wait, url } => {
            with_target(layers.and(more), url.as_deref(), async |target| client::stop(&target, wait).await)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = help::command::<Arguments>(language);
            clap_complete::generate(shell, &mut command, "graceful-exit", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

impl Command {
    /// True if it serves, and catches signals by itself. Any other command is ended by them as usual.
    fn handles_signals(&self) -> bool {
        match self {
            Self::Run { .. } => true,
            #[cfg(windows)]
            Self::Service { .. } => true,
            Self::Plan { .. }
            | Self::Report { .. }
            | Self::Config { .. }
            | Self::Status { .. }
            | Self::Stop { .. }
            | Self::Completions { .. } => false,
        }
    }
}

impl LayerArguments {
    /// These, and more that win over them.
    fn and(mut self, more: Self) -> Self {
        self.config.extend(more.config);
        self.set.extend(more.set);
        self
    }

    fn layers(self) -> Layers {
        Layers { files: self.config, set: self.set, environment: env::vars_os().collect() }
    }
}

fn with_settings(layers: LayerArguments, go: impl FnOnce(Loaded) -> ExitCode) -> ExitCode {
    match layers.layers().load() {
        Ok(loaded) => go(loaded),
        Err(error) => config::refuse(&error),
    }
}

fn with_target<F: Future<Output = ExitCode>>(
    layers: LayerArguments,
    url: Option<&str>,
    go: impl FnOnce(Target) -> F,
) -> ExitCode {
    with_settings(layers, |loaded| {
        config::warn_of(&loaded.unused, loaded.settings.log.language());
        match Target::new(&loaded.settings, url) {
            Ok(target) => match run::system(target.language) {
                Ok(system) => system.block_on(go(target)),
                Err(error) => fail(exit_code::NO_ANSWER, &error),
            },
            Err(error) => fail(exit_code::USAGE, &error),
        }
    })
}
