//! The application as a process: real signals, real sockets, real files.

mod support;

mod admin;
mod business;
// mod cache;
mod deadline;
mod exit_codes;
// mod settings;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod transcripts;
