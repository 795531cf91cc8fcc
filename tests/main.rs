//! The integration tests: one binary, a file a subject.

mod layers;
mod sequence;
