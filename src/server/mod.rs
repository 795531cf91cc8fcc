//! actix-web's own HTTP/1 dispatcher, on connections that this crate accepts.
//!
//! # Why not `HttpServer`
//! `HttpServer` keeps its acceptor, its workers' queues and its connections to itself. A connection that its
//! acceptor has taken and no worker has begun cannot be seen from outside, and is dropped by its stop; so is one
//! that waits in the accept queue. Here each worker accepts for itself: a connection is counted in the same step
//! in which it is taken, served by the thread that took it, and known until its socket is closed. Closing is
//! then a matter of looking, where `HttpServer` looks once a second. What serves a request is the same code:
//! actix-http's `HttpService` around an actix-web `App`, with `HttpServer`'s defaults.

mod address;
mod bound;
mod builder;
mod door;
#[cfg(feature = "http2")]
mod http2;
mod io;
mod listener;
mod options;
mod stream;
#[cfg(feature = "rustls-0_23")]
mod tls;
mod worker;

pub use address::{Address, BindError};
pub(crate) use bound::BoundServer;
pub use builder::{Server, Stop};
pub use door::{Closed, Handle, ServerName};
pub use io::Io;
pub use options::Streams;
pub use stream::Stream;
#[cfg(feature = "rustls-0_23")]
pub use tls::{CertificateError, CertificateFiles};
