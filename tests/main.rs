//! The integration tests: one binary, a file a subject.

mod admin;
mod business;
mod cache;
mod deadline;
mod exit_codes;
mod layers;
mod sequence;
mod settings;
#[cfg(unix)]
mod signals;
mod support;
#[cfg(unix)]
mod transcripts;
