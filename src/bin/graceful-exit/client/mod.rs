//! `graceful-exit status` and `stop`: asking the running application through its admin server.
//!
//! - `target`: where that server is, by the settings or by `--url`.
//! - `connection`: HTTP/1.1 over TCP or a Unix socket.
//! - `status`, `stop`: the two commands.

mod connection;
mod status;
mod stop;
mod target;

pub(crate) use status::{Format, status};
pub(crate) use stop::stop;
pub(crate) use target::Target;
