//! [`Admin`]: the builder of an admin server.

use std::{fmt, sync::Arc};

use actix_web::{App, web};

use super::{
    access::Access,
    events::{Feed, MAX_STREAMS, StreamEnd},
    metrics::{Metric, Metrics},
    page::Page,
    peer::Peer,
    refusals::Refusals,
    routes::{self, State},
    status::{LineSource, StatusSource},
};
use crate::{
    exit::ExitHandle,
    locale::Language,
    server::{Server, Stop},
};

/// The admin routes of one exit, and who may use them.
#[derive(Clone)]
#[must_use = "it is mounted by `server` or `configure`"]
pub struct Admin {
    exit: ExitHandle,
    access: Access,
    refusals: Arc<Refusals>,
    feed: Feed,
    stop: Stop,
    metrics: Vec<Metric>,
    lines: Vec<LineSource>,
    language: Language,
}

impl Admin {
    /// The routes for this exit: `Admin::new(&builder)` or `Admin::new(&handle)`.
    pub fn new(exit: impl Into<ExitHandle>) -> Self {
        Self {
            exit: exit.into(),
            access: Access::default(),
            refusals: Arc::default(),
            feed: Feed::new(MAX_STREAMS),
            stop: Stop::Last,
            metrics: Vec::new(),
            lines: Vec::new(),
            language: Language::default(),
        }
    }

    /// The bearer token that `POST /shutdown` needs: at least 16 characters that cannot be guessed. An
    /// empty one matches nothing.
    ///
    /// Without one, the exit can be started from this machine alone: by a request from a loopback address, for
    /// localhost or a loopback address, that shows no sign of a proxy and comes from no page of another origin. Over a
    /// Unix socket it has to come from this process's user or root, on systems that tell. A reverse proxy on this
    /// machine that adds nothing to the requests cannot be distinguished from a client on this machine: behind a proxy,
    /// set a token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.access.set_token(token.into());
        self
    }

    /// Whether `/status`, `/metrics` and `/events` need the token as well: false by default. The page then asks for it.
    /// `/healthz` and `/readyz` need none: probes have none. Without a token this changes nothing.
    pub fn token_for_reads(mut self, needed: bool) -> Self {
        self.access.set_token_for_reads(needed);
        self
    }

    /// A public name of this server, without a port, by which browsers may read the page.
    ///
    /// A browser may have loaded a page from a host whose name was then pointed at this server's address (DNS
    /// rebinding). So a request that may come from one is refused if its `Host` is a name that a stranger can own:
    /// one with a dot in it, outside of `.local`, `.internal`, `.svc` and the like. That is any request from a
    /// loopback address, and from elsewhere one with a header that only browsers send. Addresses, localhost and names
    /// without a dot always work; so do `/healthz` and `/readyz`, and reads with [`Admin::token_for_reads`].
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.access.add_host(name.into());
        self
    }

    /// How many event streams may be open at once: 256 by default. One more is answered 503.
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.feed = Feed::new(streams);
        self
    }

    /// When the server of [`Admin::server`] closes: last by default. One that closes first rejects its routes once
    /// draining begins; event streams that are open by then go on to the end of the exit in either case.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// The language of its log lines: English by default. The page speaks the browser's.
    pub fn language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// Adds a line of the program's own to the page and to `/status`; `text` is called up to ten times a second.
    pub fn line(
        mut self,
        label: impl Into<String>,
        text: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        self.lines.push(LineSource::new(label.into(), text));
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
        let state = self.state(StreamEnd::Exited);
        let server = Server::new("admin", move || {
            App::new().wrap(routes::common_headers()).configure(|config| state.configure(config))
        });
        // A client that has closed its side has gone, and its stream is free for another.
        server.stop(stop).h1_allow_half_closed(false).on_connect(Peer::note).always_answer(move |head| {
            match stop {
                Stop::First => routes::is_stream(&head.method, &routes::decoded(&head.uri)),
                Stop::Last => routes::is_always_answered(&head.method, &routes::decoded(&head.uri)),
            }
        })
    }

    /// Mounts the routes in an application of the program's own: `App::configure(|config| admin.configure(config))`, at
    /// its root or in a scope. They are rejected there like all others once draining begins, and the event streams
    /// end then.
    pub fn configure(&self, config: &mut web::ServiceConfig) {
        self.clone().state(StreamEnd::Rejecting).configure(config);
    }

    pub(super) fn state(self, stream_end: StreamEnd) -> State {
        State {
            status: StatusSource::new(self.exit.clone(), &self.lines),
            metrics: Metrics::new(self.exit.clone(), Arc::clone(&self.refusals), self.metrics),
            page: Page::new(&self.access, stream_end),
            feed: self.feed,
            exit: self.exit,
            access: self.access,
            refusals: self.refusals,
            stream_end,
            language: self.language,
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("access", &self.access)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}
