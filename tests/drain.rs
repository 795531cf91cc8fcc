//! Draining and closing over real sockets: what a client sees of an exit.

mod answers;
mod closed;
mod crowd;
mod failure;
mod in_flight;
mod keep_alive_grace;
mod service;
