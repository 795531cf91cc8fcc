//! The shell: actors that carry out what the [machine](crate::sequence) decides, and bring it what happens.
//!
//! All of them live on one arbiter of their own and never block it. A user's callback runs where its own actor
//! lives; [`CallbackActor`] stands in for it here.

mod board;
mod callback;
mod http_server;
mod protocol;
mod record;
mod supervisor;
#[cfg(test)]
mod tests;
mod timers;
mod watch;

pub use board::{Board, MemberStatus, Oldest, PhaseStatus, ServerStatus, Status};
pub(crate) use callback::{AtRisk, Parts};
pub use callback::{CallbackActor, Job};
pub use http_server::HttpServerActor;
pub use protocol::{
    Announce, Ask, CallbackError, Cancel, Died, Ended, Errand, FinishWork, ReleaseResource, RunCallback,
    SignalReceived, StopRequested,
};
pub use supervisor::ShutdownSupervisor;
pub(crate) use supervisor::{Hooks, Recruit, Setup};
pub(crate) use watch::Watch;
