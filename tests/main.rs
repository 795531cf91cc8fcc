//! The integration tests: one binary, a file a subject.

mod layers;
mod sequence;

#[cfg(target_os = "linux")]
mod proxies;
mod support;
