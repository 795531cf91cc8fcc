//! The integration tests: one binary, a file a subject.

mod drain;
mod layers;
mod sequence;
mod support;
