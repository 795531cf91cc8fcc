//! Where a request comes from, as the log names it.

use std::{any::Any, fmt, net::SocketAddr};

use actix_web::{HttpRequest, dev::Extensions};

use crate::os::user;

/// The other end of a request's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Tcp(SocketAddr),
    /// A Unix socket, with its user where the system tells.
    Unix(Option<UnixUser>),
    /// A connection that says nothing of its other end.
    Unknown,
}

/// The user that opened a connection of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnixUser {
    id: u32,
    process: Option<i32>,
}

/// Marks a connection of a Unix socket.
#[derive(Clone, Copy, Debug)]
struct OverUnix(Option<UnixUser>);

impl Peer {
    /// Notes what the system tells of a connection: for [`Server::on_connect`](crate::Server::on_connect).
    pub(super) fn note(socket: &dyn Any, data: &mut Extensions) {
        #[cfg(unix)]
        if let Some(socket) = socket.downcast_ref::<tokio::net::UnixStream>() {
            let user = socket.peer_cred().ok();
            data.insert(OverUnix(user.map(|user| UnixUser { id: user.uid(), process: user.pid() })));
        }
        #[cfg(not(unix))]
        let _ = (socket, data);
    }

    pub(super) fn of(request: &HttpRequest) -> Self {
        match (request.peer_addr(), request.conn_data::<OverUnix>()) {
            (_, Some(&OverUnix(user))) => Self::Unix(user),
            (Some(address), None) => Self::Tcp(address),
            (None, None) => Self::Unknown,
        }
    }

    pub(super) fn is_loopback(self) -> bool {
        matches!(self, Self::Tcp(address) if address.ip().to_canonical().is_loopback())
    }
}

impl UnixUser {
    /// True for the user of this process, and for root.
    pub(super) fn may_act(self) -> bool {
        self.id == 0 || Some(self.id) == user::effective_user()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(UnixUser { id, process: Some(process) })) => {
                write!(f, "pid {process} (user {id})")
            }
            Self::Unix(Some(UnixUser { id, process: None })) => write!(f, "user {id}"),
            Self::Unix(None) => f.write_str("a Unix socket"),
            Self::Unknown => f.write_str("an unknown peer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_user_and_root_may_act_and_no_other() {
        let may_act = |id| UnixUser { id, process: None }.may_act();
        assert!(may_act(0));
        if let Some(own) = user::effective_user() {
            assert!(may_act(own));
            assert!(!may_act(own.wrapping_add(1)));
        }
    }
}
