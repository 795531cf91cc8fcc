//! Clients of HTTP/2 that keep many streams open while a server exits.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::{
    Reason,
    client::{Builder, SendRequest},
};
use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Runtime,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use crate::{
    common::{certificate, client::Target},
    wire::wire,
};

/// Connections with many streams each, on threads of their own.
pub(crate) struct Streams {
    thread: JoinHandle<Tally>,
}

/// What became of all streams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: usize,
    /// Answered with 503.
    pub(crate) rejected: usize,
    /// Not processed, as the client knows.
    pub(crate) repeatable: usize,
    pub(crate) lost: usize,
    /// When the last answer had arrived.
    pub(crate) last_byte: Option<Instant>,
}

enum Answer {
    Whole,
    Rejected,
    Repeatable,
    Lost,
    /// The connection takes no more streams: nothing was sent.
    NotSent,
}

const CONNECTIONS: usize = 5;
const STREAMS: usize = 200;
/// The time until all connections are in use.
const WARM_UP: Duration = Duration::from_millis(300);
/// Flow control of the client: large enough that a server is not held up by a wire of some milliseconds.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

impl Streams {
    /// Keeps streams for `path` open, each followed by another one, until the connections end.
    pub(crate) fn start(target: &Target, path: &str, delay: Duration) -> io::Result<Self> {
        let (target, url) = (target.clone(), format!("http://localhost{path}"));
        let runtime = Runtime::new()?;
        let connections = runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                connections.push(connect(&target, delay).await?);
            }
            Ok::<_, io::Error>(connections)
        })?;
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for connection in &connections {
                    for _ in 0..STREAMS {
                        tasks.spawn(one_after_another(connection.clone(), url.clone()));
                    }
                }
                drop(connections);
                tasks.join_all().await.into_iter().fold(Tally::default(), Tally::plus)
            })
        });
        thread::sleep(WARM_UP);
        Ok(Self { thread })
    }

    /// Waits until each stream has had its answer or its connection's end.
    pub(crate) fn finish(self) -> Tally {
        self.thread.join().unwrap_or_default()
    }
}

impl Tally {
    /// The streams that were sent.
    pub(crate) fn asked(&self) -> usize {
        self.answered + self.rejected + self.repeatable + self.lost
    }

    fn plus(self, other: Self) -> Self {
        Self {
            answered: self.answered + other.answered,
            rejected: self.rejected + other.rejected,
            repeatable: self.repeatable + other.repeatable,
            lost: self.lost + other.lost,
            last_byte: self.last_byte.max(other.last_byte),
        }
    }
}

async fn connect(target: &Target, delay: Duration) -> io::Result<SendRequest<Bytes>> {
    let socket = TcpStream::connect(target.address).await?;
    socket.set_nodelay(true)?;
    match &target.tls {
        None if delay.is_zero() => handshake(socket).await,
        None => handshake(wire(socket, delay)).await,
        Some(config) => {
            let connector = TlsConnector::from(Arc::clone(config));
            handshake(connector.connect(certificate::name()?, wire(socket, delay)).await?).await
        }
    }
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> io::Result<SendRequest<Bytes>> {
    let mut builder = Builder::new();
    builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    let (client, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // Each stream has the connection's error as well.
        let _ = connection.await;
    });
    Ok(client)
}

/// Opens the next stream after each answer, until the server gives none or rejects it.
async fn one_after_another(client: SendRequest<Bytes>, url: String) -> Tally {
    let mut tally = Tally::default();
    loop {
        let answer = get(&client, &url).await;
        if matches!(answer, Answer::Whole | Answer::Rejected) {
            tally.last_byte = Some(Instant::now());
        }
        match answer {
            Answer::Whole => tally.answered += 1,
            Answer::Rejected => tally.rejected += 1,
            Answer::Repeatable => tally.repeatable += 1,
            Answer::Lost => tally.lost += 1,
            Answer::NotSent => {}
        }
        if !matches!(answer, Answer::Whole) {
            return tally;
        }
    }
}

async fn get(client: &SendRequest<Bytes>, url: &str) -> Answer {
    let Ok(mut client) = client.clone().ready().await else { return Answer::NotSent };
    let Ok(request) = Request::get(url).body(()) else { return Answer::NotSent };
    let Ok((response, _)) = client.send_request(request, true) else { return Answer::NotSent };
    let answered = async {
        let response = response.await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while let Some(chunk) = body.data().await {
            body.flow_control().release_capacity(chunk?.len())?;
        }
        Ok::<_, h2::Error>(status)
    };
    match answered.await {
        Ok(200) => Answer::Whole,
        Ok(503) => Answer::Rejected,
        Err(error) if error.is_go_away() && error.is_remote() => Answer::Repeatable,
        Err(error) if error.reason() == Some(Reason::REFUSED_STREAM) => Answer::Repeatable,
        Ok(_) | Err(_) => Answer::Lost,
    }
}
