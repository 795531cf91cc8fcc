//! The integration tests: one binary, a file a subject.

mod layers;
mod sequence;
#[cfg(unix)]
mod signals;
mod support;
#[cfg(unix)]
mod transcripts;
