//! One connection: what it is doing ([`state`]), its record ([`record`]), and all of a server's ([`registry`]).

mod open;
mod record;
mod registry;
mod state;

pub use record::{Connection, InFlight};
pub use registry::{ConnectionGuard, Connections};
pub use state::ConnectionClass;
