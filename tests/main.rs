//! The integration tests: one binary, a file a subject.

mod layers;
mod sequence;
#[cfg(unix)]
mod signals;
mod support;
#[cfg(unix)]
mod transcripts;

// At home on Linux's platforms.
#[cfg(target_os = "linux")]
mod lame_duck;
#[cfg(target_os = "linux")]
mod proxies;
#[cfg(target_os = "linux")]
mod systemd;
