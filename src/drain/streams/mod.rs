//! Answers that end by themselves when requests begin to be rejected: event streams and WebSockets.

mod events;
mod websocket;
