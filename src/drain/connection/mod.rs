//! One connection: what it is doing ([`state`]), its record ([`record`]), and all of a server's ([`registry`]).

#[cfg(feature = "http2")]
mod discards;
#[cfg(feature = "http2")]
mod multiplexed;
mod open;
mod record;
mod registry;
mod request;
mod state;
#[cfg(feature = "http2")]
mod stream;
#[cfg(feature = "http2")]
mod streams;

#[cfg(feature = "http2")]
pub(crate) use multiplexed::FrameReport;
pub use record::Connection;
pub use registry::{ConnectionGuard, Connections};
pub use request::InFlight;
pub(crate) use request::RequestName;
pub use state::ConnectionClass;
#[cfg(feature = "http2")]
pub(in crate::drain) use stream::Turn;
