//! Exit times and lost requests of three servers with the same routes, measured in one run: this crate's application,
//! a stock actix-web server and a stock axum server. Of TLS and HTTP/2 this crate's library takes the application's place.
//!
//! `cargo bench --bench exit -- [--runs N] [--only ROW,…] [--alone] [--json FILE] [--plot FILE]`
//!
//! Each run of a row starts all three as processes with the same clients, and ends them one after another, so that
//! other load on the machine affects all of them. All traffic is on loopback, every wait has a timeout, and only
//! processes that were started here are killed.
//!
//! The rows from `h2c-4k` on are those of TLS and HTTP/2. `lost` are requests and streams that were written and not
//! answered in full; `repeatable` are streams that the server has told its client it did not process, by GOAWAY or
//! `REFUSED_STREAM`; `rejected` ones got the 503.

#[cfg(unix)]
mod busy;
#[cfg(unix)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
mod measure;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod plot;
#[cfg(unix)]
mod programs;
#[cfg(unix)]
mod rows;
#[cfg(unix)]
mod scene;
#[cfg(unix)]
mod situation;
#[cfg(unix)]
mod streams;
#[cfg(unix)]
mod table;
#[cfg(unix)]
mod wire;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    common::call::answer("exit", options::Options::from_arguments(), measure::all)
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("exit: it sends signals, which only Unix has");
    ExitCode::SUCCESS
}
