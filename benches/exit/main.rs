//! Exit times and lost requests of three servers with the same routes, measured in one run: this crate's application,
//! a stock actix-web server and a stock axum server.
//!
//! `cargo bench --bench exit -- [--runs N] [--only ROW,…] [--alone] [--json FILE] [--plot FILE]`
//!
//! Each run of a row starts all three as processes with the same clients, and ends them one after another, so that
//! other load on the machine affects all of them. All traffic is on loopback, every wait has a timeout, and only
//! processes that were started here are killed.

#[cfg(unix)]
mod busy;
#[cfg(unix)]
mod client;
#[cfg(unix)]
mod measure;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod plot;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod rows;
#[cfg(unix)]
mod scene;
#[cfg(unix)]
mod serve;
#[cfg(unix)]
mod table;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    let done = match options::Options::from_arguments() {
        Ok(options::Call::Serve(what)) => serve::main(&what).map_err(|error| error.to_string()),
        Ok(options::Call::Measure(options)) => measure::all(&options).map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("exit: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("exit: it sends signals, which only Unix has");
    ExitCode::SUCCESS
}
