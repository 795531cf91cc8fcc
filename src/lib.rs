//! Graceful shutdown for actix-web services.

pub mod actors;
pub mod drain;
#[cfg(feature = "logging")]
pub mod logging;
pub mod os;
mod report_file;
pub mod sequence;
pub mod server;
#[cfg(feature = "settings")]
pub mod settings;
pub mod summary;
mod system;
pub mod words;

pub use actors::{CallbackError, Errand, FinishWork, Job, ReleaseResource, RunCallback, Status};
pub use drain::Rejection;
pub use report_file::{AbandonedEntry, JobEntry, PhaseEntry, ReadError, ReportFile, ServerEntry};
pub use sequence::{Bounds, ExitCodes, Outcome, Report};
pub use server::{Server, Stop};
pub use system::{ExitHandle, GracefulExit, StartError};
pub use words::Language;
