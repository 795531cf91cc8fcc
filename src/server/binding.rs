//! Where a server listens: methods of [`Server`] under `HttpServer`'s names.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};
#[cfg(unix)]
use std::{os::unix::net::UnixListener, path::Path};

use super::{
    builder::Server,
    listener::{self, ListenerSpec},
    transport::Transport,
};

/// Where it listens.
impl Server {
    /// Listens on `addrs`, on each of those that they resolve to. One of these has to work. Port 0 is a free port: see
    /// [`Server::addrs`].
    ///
    /// The port is taken at once; connections are accepted once the builder runs. Name resolution may block.
    pub fn bind<A: ToSocketAddrs>(self, addrs: A) -> Self {
        self.bind_with(addrs, "its address", Transport::Plain)
    }

    /// Listens on an address written as settings and command lines have it: `127.0.0.1:8080`, `localhost:8080`,
    /// `[::1]:8080`, or `unix:` and a path.
    pub fn bind_address(self, address: &str) -> Self {
        match address.strip_prefix("unix:") {
            #[cfg(unix)]
            Some(path) => self.bind_uds(path),
            #[cfg(not(unix))]
            Some(_) => self.refuse(address, io::ErrorKind::Unsupported.into(), Transport::Plain),
            None => self.bind_with(address, address, Transport::Plain),
        }
    }

    pub(super) fn bind_with(mut self, addrs: impl ToSocketAddrs, named: &str, transport: Transport) -> Self {
        match listener::bind_tcp(addrs, named, self.backlog) {
            Ok(bound) => {
                let specs = bound.into_iter().map(|socket| ListenerSpec::bound(socket, transport.clone()));
                self.listeners.extend(specs);
                self
            }
            Err((address, error)) => self.refuse(&address, error, transport),
        }
    }

    /// Serves on a socket that listens already, and closes it at the exit.
    pub fn listen(self, listener: TcpListener) -> Self {
        self.listen_with(listener, Transport::Plain)
    }

    pub(super) fn listen_with(mut self, listener: TcpListener, transport: Transport) -> Self {
        self.listeners.push(ListenerSpec::given(listener.into(), transport));
        self
    }

    /// Serves on a socket that another process keeps open, such as systemd for the time of a restart. At the exit it is
    /// left as it is: a client that connects once rejecting has begun waits in its queue for the next process, and is
    /// neither refused nor answered with the rejection. A server that closes [last](super::Stop::Last) takes connections until
    /// it closes.
    pub fn listen_inherited(mut self, listener: TcpListener) -> Self {
        self.listeners.push(ListenerSpec::inherited(listener.into()));
        self
    }

    /// Listens on a Unix socket. A file that a dead process left there is replaced; a socket on which a process listens,
    /// and any other file, is an error of `run`. The file is removed at the exit if it is still this server's.
    #[cfg(unix)]
    pub fn bind_uds<A: AsRef<Path>>(mut self, uds_path: A) -> Self {
        self.listeners.push(ListenerSpec::Uds(uds_path.as_ref().to_owned()));
        self
    }

    /// Serves on a Unix socket that listens already. Its file is left as it is.
    #[cfg(unix)]
    pub fn listen_uds(mut self, listener: UnixListener) -> Self {
        let socket = std::os::fd::OwnedFd::from(listener).into();
        self.listeners.push(ListenerSpec::given(socket, Transport::Plain));
        self
    }

    /// Serves on a Unix socket that another process keeps open; see [`Server::listen_inherited`].
    #[cfg(unix)]
    pub fn listen_uds_inherited(mut self, listener: UnixListener) -> Self {
        let socket = std::os::fd::OwnedFd::from(listener).into();
        self.listeners.push(ListenerSpec::inherited(socket));
        self
    }

    /// Permissions of the sockets of [`Server::bind_uds`], set before they appear under their names: `0o660` by default.
    #[cfg(unix)]
    pub fn uds_mode(mut self, mode: u32) -> Self {
        self.uds_mode = mode;
        self
    }

    /// Remembers an error for `run`.
    pub(super) fn refuse(mut self, address: &str, error: io::Error, transport: Transport) -> Self {
        self.listeners.push(ListenerSpec::Failed { address: address.to_owned(), error, transport });
        self
    }

    /// How many connections may wait to be accepted: 1024 by default.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// The addresses that are bound so far, with their ports; Unix sockets have none.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(ListenerSpec::tcp_address).collect()
    }

    /// Binds port 0 in place of each TCP port that was asked for, so that tests of a service run side by side.
    pub(crate) fn use_free_ports(mut self) -> Self {
        let specs = self.listeners.into_iter();
        self.listeners = specs.map(|spec| spec.on_free_port(self.backlog)).collect();
        self
    }
}
