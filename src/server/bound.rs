//! A server before it serves: with bound sockets, [`BoundServer`], then with running workers, [`StartedServer`].

use std::{io, sync::Arc};

use futures_util::future::try_join_all;

use super::{
    address::{Address, BindError},
    builder::{Server, Stop},
    handle::Handle,
    listener::{Listener, ListenerPolicy},
    options::{Options, Streams},
    worker::{self, ListenerInfo, StartWorker, WorkerContext},
    workers::Workers,
};
use crate::{
    drain::{AlwaysAnswer, Drain, Policy, Rejection},
    os::{arbiters::Arbiters, refusal::Refusal},
};

/// A server whose sockets are bound. Nothing is accepted yet.
pub(crate) struct BoundServer {
    pub(crate) handle: Handle,
    pub(crate) addresses: Vec<Address>,
    listeners: Vec<Listener>,
    options: Options,
    always_answer: Option<AlwaysAnswer>,
    start: StartWorker,
}

/// A server whose workers wait for connections. They end when this is dropped.
pub(crate) struct StartedServer {
    pub(crate) handle: Handle,
    pub(super) listeners: Vec<Listener>,
    pub(super) workers: Workers,
}

impl BoundServer {
    /// Binds a server's sockets.
    pub(crate) fn bind(server: Server) -> Result<Self, BindError> {
        let failed = |(address, source)| BindError { server: server.name.clone(), address, source };
        if server.listeners.is_empty() {
            return Err(failed(("nothing".to_owned(), Refusal::NowhereToListen.into())));
        }
        let specs = server.listeners.into_iter();
        #[cfg(unix)]
        let listeners = specs.map(|spec| spec.listen(server.backlog, server.uds_mode));
        #[cfg(not(unix))]
        let listeners = specs.map(|spec| spec.listen(server.backlog));
        let mut listeners = listeners.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        for listener in &mut listeners {
            if listener.policy == ListenerPolicy::LeaveWhenRejecting && server.stop == Stop::Last {
                listener.policy = ListenerPolicy::LeaveWhenClosing;
            }
        }
        Ok(Self {
            handle: Handle::new(server.name.into(), Drain::new(server.options.workers)),
            addresses: listeners.iter().map(|listener| listener.address.clone()).collect(),
            listeners,
            options: server.options,
            always_answer: server.always_answer,
            start: server.start,
        })
    }

    /// Returns where each of its sockets is reached, with `http` or `https` before the address of one that is not Unix'.
    pub(crate) fn urls(&self) -> Vec<String> {
        let url = |listener: &Listener| match &listener.address {
            Address::Tcp(address) if listener.transport.is_secure() => format!("https://{address}"),
            Address::Tcp(address) => format!("http://{address}"),
            Address::Unix(_) => listener.address.to_string(),
        };
        self.listeners.iter().map(url).collect()
    }

    /// Starts its workers, each on an arbiter of its own. Ready when every one of them has made its application.
    pub(crate) async fn start(self, arbiters: &Arbiters, rejection: Rejection) -> io::Result<StartedServer> {
        #[cfg(unix)]
        crate::os::limits::raise_descriptor_limit();
        let timeout = self.options.client_request_timeout;
        let policy = Policy {
            rejection,
            always_answer: self.always_answer,
            body_timeout: (!timeout.is_zero()).then_some(timeout),
            streams: (self.options.streams == Streams::End).then(|| Arc::clone(&self.handle.drain().streams)),
        };
        let listener = |listener: &Listener| ListenerInfo {
            address: listener.address.clone(),
            transport: listener.transport.clone(),
        };
        let mut starting = Vec::new();
        let mut workers = Workers::new(self.handle.drain().clone(), self.options.max_connections);
        for shard in 0..self.options.workers {
            let context = WorkerContext {
                server: self.handle.clone(),
                shard,
                inbox: workers.add(),
                listeners: self.listeners.iter().map(listener).collect(),
                policy: policy.clone(),
                options: self.options.clone(),
                #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
                handshakes: super::handshakes::Handshakes::new(&self.options),
            };
            starting.push(worker::spawn(arbiters, context, (self.start)())?);
        }
        // One that fails is not waited for any longer than that, though another one may hang.
        try_join_all(starting.into_iter().map(|worker| async {
            let ended = |_| Err("a worker's thread ended while it started".to_owned());
            worker.await.unwrap_or_else(ended).map_err(io::Error::other)
        }))
        .await?;
        Ok(StartedServer { handle: self.handle, listeners: self.listeners, workers })
    }
}

impl StartedServer {
    /// One that listens nowhere and has no workers.
    #[cfg(test)]
    pub(crate) fn without_workers(handle: Handle) -> Self {
        let workers = Workers::new(handle.drain().clone(), None);
        Self { handle, listeners: Vec::new(), workers }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use socket2::Socket;

    use super::{super::listener::ListenerSpec, *};
    use crate::server::transport::Transport;

    #[test]
    fn an_inherited_socket_is_left_when_its_server_rejects_or_if_that_closes_last_when_it_closes()
    -> io::Result<()> {
        for (stop, left) in [
            (Stop::First, ListenerPolicy::LeaveWhenRejecting),
            (Stop::Last, ListenerPolicy::LeaveWhenClosing),
        ] {
            let socket = || std::net::TcpListener::bind("127.0.0.1:0").map(Socket::from);
            let mut server = Server::new("web", App::new).stop(stop);
            server.listeners.push(ListenerSpec::inherited(socket()?));
            server.listeners.push(ListenerSpec::bound(socket()?, Transport::Plain));
            let bound = BoundServer::bind(server).map_err(io::Error::other)?;
            let policies: Vec<_> = bound.listeners.iter().map(|listener| listener.policy).collect();
            assert_eq!(policies, [left, ListenerPolicy::Close]);
        }
        Ok(())
    }

    #[test]
    fn a_plain_socket_is_reached_by_http() -> io::Result<()> {
        let server = Server::new("web", App::new).bind("127.0.0.1:0");
        let bound = BoundServer::bind(server).map_err(io::Error::other)?;
        assert_eq!(bound.urls(), [format!("http://{}", bound.addresses[0])]);
        Ok(())
    }
}
