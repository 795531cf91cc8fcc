//! What an exit came to, and how one stands: the types of the fields of [`Report`] and [`Status`].
//!
//! It is one model, which the log, the report file, `/status`, the page and the `report` command share. A `Report` is made
//! once, at the end, and a `Status` at any instant. The names of outcomes, phases and states in JSON are those that
//! their `name` methods return.
//!
//! ```
//! use graceful_exit::{
//!     Report,
//!     report::{EndedBy, MemberReport, PhaseKind, TaskStatus},
//! };
//!
//! fn was_cut_short(report: &Report) -> bool {
//!     report.phases.iter().any(|phase| phase.kind == PhaseKind::Drain && phase.ended_by == EndedBy::Timeout)
//! }
//!
//! fn undone(report: &Report) -> Vec<&MemberReport> {
//!     report.callbacks.iter().filter(|callback| callback.status != TaskStatus::Done).collect()
//! }
//! ```

mod earlier;
mod file;
#[cfg(test)]
mod fuzz;
mod in_place;
mod json;
mod marker;
mod model;
mod names;
mod previous;
mod status;
mod summary;
mod verdict;

pub use model::{MemberReport, PhaseReport, Request, ServerReport};
pub use status::{MemberStatus, PhaseStatus, ServerStatus};

pub use crate::sequence::{EndedBy, PhaseKind, TaskStatus};

pub(crate) use names::millis_of;

// Re-exported at the root, or for the application alone.
#[doc(hidden)]
pub use {
    file::{ReportFile, WriteError},
    json::ReadError,
    model::Report,
    previous::PreviousExit,
    status::Status,
    summary::{bar, failures, lines, phase_names, span},
    verdict::{grouped, verdict},
};
