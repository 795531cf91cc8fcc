//! The integration tests: one binary, a file a subject.

#![expect(clippy::expect_used, reason = "a test that cannot go on ends there, and says what was missing")]

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
