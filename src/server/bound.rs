//! A server whose sockets are bound: [`BoundServer`].

use std::{io, sync::Arc};

use super::{
    address::{Address, BindError},
    builder::{Server, Stop},
    door::Handle,
    listener::{Listener, ListenerPolicy},
    options::Options,
    worker::{self, Seat, StartWorker},
};
use crate::{
    drain::{AlwaysAnswer, Drain, Policy, Rejection},
    os::arbiters::Arbiters,
};

/// A server whose sockets are bound. Nothing is accepted before [`BoundServer::serve`].
pub(crate) struct BoundServer {
    pub(crate) handle: Handle,
    pub(crate) addresses: Vec<Address>,
    listeners: Vec<Listener>,
    options: Options,
    always_answer: Option<AlwaysAnswer>,
    start: StartWorker,
}

impl Server {
    /// Binds its sockets.
    pub(crate) fn open(self) -> Result<BoundServer, BindError> {
        let failed = |(address, source)| BindError { server: self.name.clone(), address, source };
        if self.listeners.is_empty() {
            let error = io::Error::new(io::ErrorKind::NotFound, "it was given no address");
            return Err(failed(("nothing".to_owned(), error)));
        }
        let specs = self.listeners.into_iter();
        #[cfg(unix)]
        let listeners = specs.map(|spec| spec.listen(self.backlog, self.uds_mode));
        #[cfg(not(unix))]
        let listeners = specs.map(|spec| spec.listen(self.backlog));
        let mut listeners = listeners.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        for listener in &mut listeners {
            if listener.policy == ListenerPolicy::LeaveWhenRejecting && self.stop == Stop::Last {
                listener.policy = ListenerPolicy::LeaveWhenClosing;
            }
        }
        let workers = self.options.workers;
        let handle = Handle::new(self.name.into(), Arc::new(Drain::new(workers)), workers);
        // One that is left to the next process must not be shut.
        if listeners.iter().all(|listener| listener.policy == ListenerPolicy::Close) {
            handle.listens_on(listeners.iter().map(|listener| &listener.socket));
        }
        Ok(BoundServer {
            handle,
            addresses: listeners.iter().map(|listener| listener.address.clone()).collect(),
            listeners,
            options: self.options,
            always_answer: self.always_answer,
            start: self.start,
        })
    }
}

impl BoundServer {
    /// Starts its workers, each on an arbiter of its own. Ready when every one of them accepts.
    pub(crate) async fn serve(self, arbiters: &Arbiters, rejection: Rejection) -> io::Result<()> {
        let policy = Policy { rejection, always_answer: self.always_answer };
        let mut starting = Vec::new();
        for lane in 0..self.handle.drain().gate.lanes() {
            let listeners = self.listeners.iter().map(Listener::try_clone).collect::<io::Result<Vec<_>>>()?;
            let seat = Seat::new(&self.handle, lane, listeners, policy.clone(), self.options.clone());
            starting.push(worker::spawn(arbiters, self.handle.name(), seat, (self.start)())?);
        }
        for worker in starting {
            let started =
                worker.await.unwrap_or_else(|_| Err("a worker's thread ended while it started".to_owned()));
            started.map_err(io::Error::other)?;
        }
        Ok(())
    }
}
