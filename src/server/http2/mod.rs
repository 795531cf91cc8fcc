//! HTTP/2, by actix-http's own dispatcher, on a byte stream that knows frames.

mod fields;
mod frames;
#[cfg(test)]
mod fuzz;
mod reader;
#[cfg(test)]
mod tests;
mod wire;

pub(super) use frames::Frame;
pub(super) use wire::{Ending, FrameEvents, StreamEvents, Wire};
