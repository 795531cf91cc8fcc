//! What a program says of its admin server: [`Admin`].

use std::fmt;

use actix_web::{App, web};

use super::{
    events::{Feed, StreamEnd},
    metrics::{Metric, Metrics},
    page::Page,
    routes::{self, State},
};
use crate::{ExitHandle, Server, Stop};

/// The admin routes of one exit, and who may use them.
#[derive(Clone)]
#[must_use = "it is mounted by `server` or `configure`"]
pub struct Admin {
    exit: ExitHandle,
    token: Option<String>,
    stop: Stop,
    metrics: Vec<Metric>,
    feed: Feed,
}

impl Admin {
    /// The routes for this exit: `Admin::new(&builder)` or `Admin::new(&handle)`.
    pub fn new(exit: impl Into<ExitHandle>) -> Self {
        Self { exit: exit.into(), token: None, stop: Stop::Last, metrics: Vec::new(), feed: Feed::default() }
    }

    /// The bearer token that `POST /shutdown` needs. Without one, only a caller on this machine may start the exit.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// When the server of [`Admin::server`] closes: last by default. One that closes first rejects its routes once
    /// draining begins, and its event streams end without the outcome.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Adds a gauge of the program's own to `/metrics`; `value` is called at each scrape.
    pub fn gauge(
        mut self,
        name: impl Into<String>,
        help: impl Into<String>,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.metrics.push(Metric::gauge(name.into(), help.into(), value));
        self
    }

    /// Adds a counter of the program's own to `/metrics`; `value` is called at each scrape. Its samples' name ends in
    /// `_total`, whether `name` does or not.
    pub fn counter(
        mut self,
        name: impl Into<String>,
        help: impl Into<String>,
        value: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        self.metrics.push(Metric::counter(name.into(), help.into(), value));
        self
    }

    /// A server of its own, named `admin`, on this address. Its GET and HEAD routes are answered until it closes, and
    /// hold no drain.
    pub fn server(self, address: impl std::net::ToSocketAddrs + fmt::Debug) -> Server {
        self.unbound_server().bind(address)
    }

    /// The same without an address, for sockets that come from elsewhere.
    pub fn unbound_server(self) -> Server {
        let stop = self.stop;
        let state = self.state(match stop {
            Stop::First => StreamEnd::Drained,
            Stop::Last => StreamEnd::Exited,
        });
        let server = Server::new("admin", move || App::new().configure(|config| state.configure(config)));
        server.stop(stop).always_answer(move |head| match stop {
            Stop::First => routes::is_stream(&head.method, head.uri.path()),
            Stop::Last => routes::is_always_answered(&head.method, head.uri.path()),
        })
    }

    /// Mounts the routes in an application of the program's own: `App::configure(|config| admin.configure(config))`, at
    /// its root or in a scope. They are rejected there like all others once draining begins, and the event streams
    /// end then.
    pub fn configure(&self, config: &mut web::ServiceConfig) {
        self.clone().state(StreamEnd::Rejecting).configure(config);
    }

    fn state(self, stream_end: StreamEnd) -> State {
        State {
            metrics: Metrics::new(self.exit.clone(), self.metrics),
            page: Page::new(self.token.is_some()),
            exit: self.exit,
            token: self.token,
            stream_end,
            feed: self.feed,
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is a secret.
        f.debug_struct("Admin").field("exit", &self.exit).field("stop", &self.stop).finish_non_exhaustive()
    }
}
