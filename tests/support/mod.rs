//! Shared by the tests: the application as a process with its log, an HTTP client, waiting for conditions.

#[cfg(feature = "app")]
mod certificate;
mod client;
#[cfg(windows)]
pub(crate) mod control;
mod files;
#[cfg(all(target_os = "linux", feature = "app"))]
mod http2_traffic;
#[cfg(feature = "http2")]
mod in_process;
#[cfg(all(target_os = "linux", feature = "app"))]
pub(crate) mod network_namespace;
#[cfg(feature = "app")]
pub(crate) mod phases;
#[cfg(feature = "app")]
mod process;
pub(crate) mod program;
#[cfg(feature = "app")]
mod service;
#[cfg(unix)]
pub(crate) mod signals;
#[cfg(all(unix, feature = "app"))]
pub(crate) mod tools;
#[cfg(all(target_os = "linux", feature = "app"))]
mod traffic;
mod wait;
#[cfg(feature = "app")]
mod watch;

#[cfg(feature = "app")]
pub(crate) use certificate::Certificate;
pub(crate) use client::{Client, Response, is_skipped_under_wine, resets_are_told};
pub(crate) use files::{folder, report, side_by_side};
#[cfg(feature = "http2")]
pub(crate) use in_process::InProcess;
#[cfg(feature = "app")]
pub(crate) use process::{App, Ended, Line, STOPPED_BY, bare, output, sent_here, stop};
#[cfg(feature = "app")]
pub(crate) use service::Service;
#[cfg(all(target_os = "linux", feature = "app"))]
pub(crate) use traffic::Traffic;
#[cfg(all(target_os = "linux", feature = "app"))]
pub(crate) use wait::wait_until_within;
pub(crate) use wait::{PAST_COALESCE, PAST_RECENT_USE, STUCK_AFTER, UNREACHED, wait_until};
#[cfg(feature = "app")]
pub(crate) use watch::Watch;
