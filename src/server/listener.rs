//! Listening sockets: what a program asks for, [`ListenerSpec`], and what is bound, [`Listener`].

#[cfg(unix)]
use std::path::PathBuf;
use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
};

use socket2::Socket;

use super::{address::Address, transport::Transport};
#[cfg(unix)]
use crate::os::socket_file::{SocketFile, bind_unix};
use crate::os::{listener, refusal::Refusal};

/// What becomes of a listening socket, and of the connections in its queue, at the exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListenerPolicy {
    /// The queue is emptied, and the socket closed.
    Close,
    /// Both are left to the next process, once requests are rejected.
    LeaveWhenRejecting,
    /// Both are left to the next process, when the server closes.
    LeaveWhenClosing,
}

/// A listening socket that a program asks for.
pub(super) enum ListenerSpec {
    /// A socket that is bound already.
    Socket {
        socket: Socket,
        policy: ListenerPolicy,
        transport: Transport,
        /// This crate has bound it, and sets its backlog.
        ours: bool,
    },
    /// A Unix socket, bound by `run`: its permissions may still be set.
    #[cfg(unix)]
    Uds(PathBuf),
    /// An address that could not be used.
    Failed { address: String, error: io::Error, transport: Transport },
}

/// A listening socket.
pub(super) struct Listener {
    pub(super) socket: Socket,
    pub(super) address: Address,
    pub(super) policy: ListenerPolicy,
    pub(super) transport: Transport,
    /// Removes the socket's file, if it has one that is this server's.
    #[cfg(unix)]
    pub(super) file: Option<std::sync::Arc<SocketFile>>,
}

#[cfg(all(test, unix))]
impl Listener {
    /// On a free port, whatever address it says.
    pub(super) fn for_tests() -> io::Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Self {
            socket: listener::bind(any, 1)?,
            address: Address::Tcp(any),
            policy: ListenerPolicy::Close,
            transport: Transport::Plain,
            file: None,
        })
    }
}

impl ListenerSpec {
    pub(super) fn bound(socket: Socket, transport: Transport) -> Self {
        Self::Socket { socket, policy: ListenerPolicy::Close, transport, ours: true }
    }

    pub(super) fn given(socket: Socket, transport: Transport) -> Self {
        Self::Socket { socket, policy: ListenerPolicy::Close, transport, ours: false }
    }

    /// A socket that another process keeps open.
    pub(super) fn inherited(socket: Socket) -> Self {
        let policy = ListenerPolicy::LeaveWhenRejecting;
        Self::Socket { socket, policy, transport: Transport::Plain, ours: false }
    }

    /// Serves so on a plain TCP socket.
    #[cfg(any(feature = "http2", feature = "rustls-0_23"))]
    pub(super) fn set_transport(&mut self, new: &Transport) {
        let is_unix = matches!(self, Self::Socket { .. }) && self.tcp_address().is_none();
        match self {
            Self::Socket { transport: transport @ Transport::Plain, .. }
            | Self::Failed { transport: transport @ Transport::Plain, .. }
                if !is_unix =>
            {
                *transport = new.clone();
            }
            _ => {}
        }
    }

    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket { socket, .. } => socket.local_addr().ok()?.as_socket(),
            #[cfg(unix)]
            Self::Uds(_) => None,
            Self::Failed { .. } => None,
        }
    }

    /// The same on a free port, if it is a TCP port that this crate binds. The port that was asked for may be in use.
    pub(super) fn on_free_port(self, backlog: u32) -> Self {
        let (asked, transport) = match &self {
            Self::Socket { socket, transport, ours: true, .. } => {
                (socket.local_addr().ok().and_then(|address| address.as_socket()), transport.clone())
            }
            Self::Failed { address, transport, .. } => (address.parse().ok(), transport.clone()),
            Self::Socket { .. } => return self,
            #[cfg(unix)]
            Self::Uds(_) => return self,
        };
        let Some(mut address) = asked else { return self };
        address.set_port(0);
        match listener::bind(address, backlog) {
            Ok(socket) => Self::bound(socket, transport),
            Err(error) => Self::Failed { address: address.to_string(), error, transport },
        }
    }

    /// Binds what is not bound yet.
    pub(super) fn listen(
        self,
        backlog: u32,
        #[cfg(unix)] uds_mode: u32,
    ) -> Result<Listener, (String, io::Error)> {
        match self {
            Self::Failed { address, error, .. } => Err((address, error)),
            #[cfg(unix)]
            Self::Uds(path) => {
                let failed = |error| (format!("unix:{}", path.display()), error);
                let (socket, file) = bind_unix(&path, uds_mode, backlog).map_err(failed)?;
                Ok(Listener {
                    socket,
                    address: Address::Unix(path),
                    policy: ListenerPolicy::Close,
                    transport: Transport::Plain,
                    file: Some(std::sync::Arc::new(file)),
                })
            }
            Self::Socket { socket, policy, transport, ours } => {
                let failed = |error| ("its socket".to_owned(), error);
                let address = address_of(&socket).map_err(failed)?;
                let named = |error| (address.to_string(), error);
                socket.set_nonblocking(true).map_err(named)?;
                if ours {
                    listener::set_backlog(&socket, backlog).map_err(named)?;
                }
                Ok(Listener {
                    socket,
                    address,
                    policy,
                    transport,
                    #[cfg(unix)]
                    file: None,
                })
            }
        }
    }
}

fn address_of(socket: &Socket) -> io::Result<Address> {
    let address = socket.local_addr()?;
    if let Some(address) = address.as_socket() {
        return Ok(Address::Tcp(address));
    }
    #[cfg(unix)]
    if address.is_unix() {
        let path = address.as_pathname().map(std::path::Path::to_owned);
        return Ok(Address::Unix(path.unwrap_or_else(|| "(unnamed)".into())));
    }
    Err(Refusal::UnknownSocket.into())
}

/// Binds every address that `addrs` resolves to; one of them has to work, as with `HttpServer`. An error comes with
/// the address that it belongs to, or with `named` where none was found.
pub(super) fn bind_tcp(
    addrs: impl ToSocketAddrs,
    named: &str,
    backlog: u32,
) -> Result<Vec<Socket>, (String, io::Error)> {
    let resolved = addrs.to_socket_addrs().map_err(|error| (named.to_owned(), error))?;
    let mut bound = Vec::new();
    let mut failed = None;
    for address in resolved {
        match listener::bind(address, backlog) {
            Ok(socket) => bound.push(socket),
            Err(error) => failed = Some((address.to_string(), error)),
        }
    }
    match failed {
        Some(failed) if bound.is_empty() => Err(failed),
        None if bound.is_empty() => Err((named.to_owned(), Refusal::NoAddress.into())),
        _ => Ok(bound),
    }
}

#[cfg(all(test, unix, feature = "http2"))]
mod tests {
    use socket2::{Domain, Type};

    use super::*;

    #[test]
    fn a_name_without_an_address_is_an_error_that_calls_it_by_its_name() {
        let (named, error) = bind_tcp(&[] as &[SocketAddr], "nowhere:80", 1).expect_err("it has no address");
        assert_eq!((named.as_str(), error.kind()), ("nowhere:80", io::ErrorKind::NotFound));
    }

    #[test]
    fn a_transport_is_set_on_plain_tcp_sockets_and_on_no_others() {
        let socket = |domain| Socket::new(domain, Type::STREAM, None).expect("a socket");
        let tcp = listener::bind(([127, 0, 0, 1], 0).into(), 1).expect("a free port");
        let failed = ListenerSpec::Failed {
            address: "nowhere:80".into(),
            error: io::ErrorKind::NotFound.into(),
            transport: Transport::Plain,
        };
        let specs = [
            (ListenerSpec::given(tcp, Transport::Plain), true),
            (ListenerSpec::given(socket(Domain::UNIX), Transport::Plain), false),
            (ListenerSpec::Uds("app.sock".into()), false),
            (failed, true),
        ];
        for (mut spec, is_set) in specs {
            spec.set_transport(&Transport::AutoH2c);
            let (ListenerSpec::Socket { transport, .. } | ListenerSpec::Failed { transport, .. }) = spec
            else {
                continue;
            };
            assert_eq!(matches!(transport, Transport::AutoH2c), is_set);
        }
    }
}
