//! The integration tests: one binary, a file a subject.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

#[cfg(feature = "app")]
mod admin;
#[cfg(feature = "app")]
mod business;
#[cfg(feature = "app")]
mod cache;
#[cfg(feature = "app")]
mod deadline;
mod drain;
#[cfg(feature = "app")]
mod exit_codes;
mod layers;
mod sequence;
#[cfg(feature = "app")]
mod settings;
#[cfg(all(unix, feature = "app"))]
mod signals;
mod support;
#[cfg(feature = "app")]
mod transcripts;
#[cfg(all(windows, feature = "app"))]
mod windows;

// At home on Linux's platforms.
#[cfg(target_os = "linux")]
mod lame_duck;
#[cfg(target_os = "linux")]
mod proxies;
#[cfg(target_os = "linux")]
mod systemd;
