//! The actors under virtual time: an hour passes in microseconds, and every timeout is exact.
//!
//! All actors of a test share its thread, so tokio's paused clock moves only when none of them has anything to
//! do. Servers have a gate and no socket; what goes over sockets is tested in `tests/drain.rs`.

mod callbacks;
mod checkpoints;
mod crowd;
mod ending;
mod events;
mod heartbeat;
mod order;
mod rig;
