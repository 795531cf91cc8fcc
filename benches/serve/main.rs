//! A server's whole day, measured in one run: this crate's library, stock actix-web and stock axum with the same routes.
//! How connections are shared among workers, requests a second, latency, memory, and clients that do harm.
//!
//! `cargo bench --bench serve -- [--runs N] [--rows NAME,…] [--json FILE]`
//!
//! It needs wrk and h2load, which Debian has as `wrk` and `nghttp2-client`; rows whose tool is missing say so and are
//! left out. Seven runs of every row take some seven minutes on two cores.
//!
//! Each run of a row starts the three servers anew, one after another, in an order that changes from run to run, so that
//! other load on the machine affects all of them. The ratio is the median of the ratios within a run. The load shares the
//! processors with the servers, which brings ratios of requests a second closer to 1; a server's own processor time for
//! each request is shown as well. All traffic is on loopback, every wait has a timeout, and only processes that were
//! started here are killed.

#[cfg(unix)]
mod burst;
#[cfg(unix)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
mod flood;
#[cfg(unix)]
mod idle;
#[cfg(unix)]
mod load;
#[cfg(unix)]
mod measure;
#[cfg(unix)]
mod metric;
#[cfg(unix)]
mod new_connections;
#[cfg(unix)]
mod options;
#[cfg(unix)]
mod rows;
#[cfg(unix)]
mod stage;
#[cfg(unix)]
mod table;
#[cfg(unix)]
mod tools;
#[cfg(unix)]
mod work;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    common::call::answer("serve", options::Options::from_arguments(), measure::all)
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("serve: it needs Unix sockets, signals and /proc");
    ExitCode::SUCCESS
}
