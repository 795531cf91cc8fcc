//! Draining and closing over real sockets, as clients see it.

mod answers;
mod clients;
mod closed;
mod crowd;
mod failure;
mod in_flight;
mod keep_alive_grace;
mod methods;
mod options;
mod pipelines;
mod service;
#[cfg(feature = "app")]
mod tls_options;
