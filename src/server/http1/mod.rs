//! HTTP/1: what stands between a connection's bytes and actix-http's dispatcher.

mod heads;
mod lingering_close;
mod wire;

pub(super) use wire::{Limits, Wire};
