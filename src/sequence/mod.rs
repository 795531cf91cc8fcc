//! What happens next is decided here, and only here.
//!
//! No clock, no thread, no log, no actix, no tokio: [`State::step`] takes an [`Event`] and answers with the
//! [`Effect`]s to carry out, so every path of a small plan can be walked through exhaustively, and is, in
//! `tests/sequence/`. The [`crate::actors`] carry the effects out and bring the events in.

// Inner, since an outer one would cover no more than the item after it.
#![deny(clippy::wildcard_enum_match_arm)]

mod machine;
mod plan;
mod report;

pub use machine::{Effect, EndedBy, Event, State, Step, TaskResult, TaskStatus, Timer};
pub use plan::{Kind, Member, MemberId, Phase, PhaseKind, Plan, PlanError, Task, TaskId, Timeouts};
pub use report::{Abandoned, CallbackReport, ExitCodes, Outcome, PhaseReport, Report, ServerReport};
