//! Decides what happens next in an exit. No other module does.
//!
//! No clock, no thread, no log, no actix, no tokio: [`State::step`] takes an [`Event`] and answers with the
//! [`Effect`]s to carry out, so every path of a small plan can be walked through exhaustively, and is, in
//! `tests/sequence/`. The [`crate::actors`] carry the effects out and bring the events in.

// Inner, since an outer one would cover no more than the item after it.
#![deny(clippy::wildcard_enum_match_arm)]

mod event;
mod machine;
mod member;
mod outcome;
mod phase;
mod plan;
mod signal;
mod task;
mod timeouts;

pub use event::{Effect, Event, Timer};
pub use machine::{State, Step};
pub use member::{Kind, Member, MemberId};
pub use outcome::{EndedBy, ExitCodes, Outcome, TaskResult, TaskStatus};
pub use phase::{Phase, PhaseKind};
pub use plan::{Plan, PlanError};
pub use signal::{Meaning, Signal, SignalKind, SignalRule};
pub use task::{PerTask, Task, TaskId};
pub use timeouts::Timeouts;
pub(crate) use timeouts::for_each_timeout;
