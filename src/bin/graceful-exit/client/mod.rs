//! `graceful-exit status` and `stop`: asking the running application through its admin server.
//!
//! - `target`: where that server is, by the settings or by `--url`.
//! - `connection`: HTTP/1.1 over TCP, TLS or a Unix socket.
//! - `tls`: the handshake, with a server that is known by its certificate.
//! - `status`, `stop`: the two commands.

mod connection;
mod status;
mod stop;
mod target;
mod tls;

pub(crate) use status::{Format, status};
pub(crate) use stop::stop;
pub(crate) use target::Target;
