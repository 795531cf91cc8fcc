//! What an exit came to: one model, which the log, the report file, `/status`, the page and the `report` command share.
//!
//! A [`Report`] is made once, at the end, and a [`Status`] at any instant. Names of outcomes, phases and states are the
//! ones of [`crate::sequence`]; serde writes and reads them by these names.

mod file;
#[cfg(test)]
mod fuzz;
mod json;
mod marker;
mod model;
mod names;
mod previous;
mod status;
mod summary;
mod verdict;

pub use file::ReportFile;
pub use json::ReadError;
pub use model::{MemberReport, PhaseReport, Report, Request, ServerReport};
pub(crate) use names::millis_of;
pub use previous::PreviousExit;
pub use status::{MemberStatus, PhaseStatus, ServerStatus, Status};
pub use summary::{bar, failures, lines, phase_names, span};
pub use verdict::{grouped, verdict};
