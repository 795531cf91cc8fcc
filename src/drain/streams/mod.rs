//! Answers that end by themselves when requests begin to be rejected: event streams and WebSockets.

mod ending;
mod events;
mod websocket;

pub(super) use ending::EndingBody;
pub use ending::StreamsEnd;
