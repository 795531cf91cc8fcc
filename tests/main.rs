//! The integration tests: one binary with one file for each subject.
#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on fails with a message that says what was missing"
)]
#![expect(clippy::incompatible_msrv, reason = "the tests need a newer Rust than the library")]

#[cfg(feature = "app")]
mod admin;
#[cfg(feature = "app")]
mod applications;
#[cfg(feature = "app")]
mod business;
#[cfg(feature = "app")]
mod cache;
#[cfg(feature = "app")]
mod certificates;
#[cfg(feature = "app")]
mod cli;
#[cfg(feature = "app")]
mod config;
#[cfg(feature = "app")]
mod deadline;
mod drain;
#[cfg(all(feature = "app", feature = "http2"))]
mod endless;
#[cfg(feature = "app")]
mod exit_codes;
#[cfg(all(target_os = "linux", feature = "app"))]
mod faults;
#[cfg(feature = "http2")]
mod http2;
#[cfg(all(unix, feature = "app"))]
mod http2_clients;
#[cfg(feature = "http2")]
mod http2_limits;
#[cfg(feature = "http2")]
mod http2_protocol;
#[cfg(feature = "http2")]
mod http2_streams;
mod layers;
#[cfg(feature = "app")]
mod log_events;
#[cfg(all(unix, feature = "app"))]
mod page;
#[cfg(feature = "app")]
mod plan;
mod programs;
mod readme;
#[cfg(feature = "app")]
mod report;
mod sequence;
#[cfg(feature = "app")]
mod settings;
#[cfg(all(unix, feature = "app"))]
mod signals;
#[cfg(feature = "app")]
mod start_up;
#[cfg(feature = "app")]
mod streams;
mod support;
#[cfg(feature = "app")]
mod tls;
#[cfg(feature = "app")]
mod transcripts;
#[cfg(all(windows, feature = "app"))]
mod windows;
mod words;

// These need Linux: systemd, namespaces, Debian's programs.
#[cfg(all(target_os = "linux", feature = "app"))]
mod container;
#[cfg(all(target_os = "linux", feature = "app"))]
mod deploy;
#[cfg(all(target_os = "linux", feature = "app"))]
mod docker;
#[cfg(all(target_os = "linux", feature = "app"))]
mod examples;
#[cfg(all(target_os = "linux", feature = "app"))]
mod kubectl;
#[cfg(all(target_os = "linux", feature = "app"))]
mod lame_duck;
#[cfg(all(target_os = "linux", feature = "app"))]
mod metrics;
#[cfg(all(target_os = "linux", feature = "app"))]
mod postgres;
#[cfg(all(target_os = "linux", feature = "app"))]
mod prometheus;
#[cfg(all(target_os = "linux", feature = "app"))]
mod proxies;
#[cfg(all(target_os = "linux", feature = "app"))]
#[path = "../benches/rollout/model.rs"]
mod rollout_model;
#[cfg(all(target_os = "linux", feature = "app"))]
mod systemd;
