//! actix-web's own HTTP/1 dispatcher, on connections that this crate accepts.
//!
//! # Why not `HttpServer`
//! `HttpServer` keeps its acceptor, its workers' queues and its connections to itself. A connection that its
//! acceptor has taken and no worker has begun cannot be seen from outside, and is dropped by its stop; so is one
//! that waits in the accept queue. Here one acceptor owns the listening sockets, counts each connection in the step in
//! which it accepts it, and hands it to the worker with the fewest open ones; it is known until its socket is closed.
//! Closing is then a matter of looking, where `HttpServer` looks once a second. What serves a request is the same code:
//! actix-http's `HttpService` around an actix-web `App`, with `HttpServer`'s defaults.
//!
//! # The life of a connection
//! `listener` → `acceptor` → `workers` → `inbox` → `worker` → `task` → actix-http on a `stream`, which passes
//! through `http1` or `http2`. A server's own life is in
//! `lifecycle`: `builder` → `bound` → `running`.

mod acceptor;
mod address;
mod balance;
mod binding;
mod bound;
mod builder;
mod compat;
mod handle;
#[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
mod handshakes;
mod http1;
#[cfg(feature = "http2")]
mod http2;
mod inbox;
mod io;
mod lifecycle;
mod listener;
mod options;
#[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
mod protocols;
mod running;
mod stream;
mod task;
#[cfg(feature = "rustls-0_23")]
mod tls;
mod transport;
mod worker;
mod workers;

pub use address::{Address, BindError};
pub(crate) use bound::{BoundServer, StartedServer};
pub use builder::{Server, Stop};
pub use handle::{Handle, ServerName};
pub use io::Io;
pub use lifecycle::Lifecycle;
pub use options::Streams;
pub(crate) use running::RunningServer;
pub use stream::Stream;
#[cfg(feature = "rustls-0_23")]
pub use tls::{CertificateError, CertificateFiles};
