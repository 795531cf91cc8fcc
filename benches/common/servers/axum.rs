//! A stock axum server, over TLS by tokio-rustls.

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use axum::{
    Router,
    extract::{Path, RawQuery},
    routing::get,
    serve::Listener,
};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener},
    runtime,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

use super::{
    options::{FREE_PORT, Options},
    routes::{TEXT, bytes, say, worker},
};

pub(super) fn serve(options: Options) -> io::Result<()> {
    let mut builder = runtime::Builder::new_multi_thread();
    if let Some(workers) = options.workers {
        builder.worker_threads(workers);
    }
    builder.enable_all().build()?.block_on(run(options))
}

async fn run(options: Options) -> io::Result<()> {
    let listener = TcpListener::bind(FREE_PORT).await?;
    let address = listener.local_addr()?;
    let unix = options.socket.map(UnixListener::bind).transpose()?;
    let mut terminate = signal(SignalKind::terminate())?;
    say(address);
    let (sender, asked) = watch::channel(());
    tokio::spawn(async move {
        terminate.recv().await;
        drop(sender);
    });
    let on_unix = async {
        match unix {
            Some(listener) => axum::serve(listener, app()).with_graceful_shutdown(ended(asked.clone())).await,
            None => Ok(()),
        }
    };
    let on_tcp = async {
        match options.tls {
            Some(config) => {
                let listener = TlsListener::new(listener, config)?;
                axum::serve(listener, app()).with_graceful_shutdown(ended(asked.clone())).await
            }
            None => axum::serve(listener, app()).with_graceful_shutdown(ended(asked.clone())).await,
        }
    };
    tokio::try_join!(on_unix, on_tcp).map(drop)
}

/// Ends when the sender is dropped.
async fn ended(mut asked: watch::Receiver<()>) {
    while asked.changed().await.is_ok() {}
}

fn app() -> Router {
    fn ms(query: Option<&str>) -> Duration {
        Duration::from_millis(query.and_then(|query| query.strip_prefix("ms=")?.parse().ok()).unwrap_or(0))
    }
    Router::new()
        .route("/", get(|| async { TEXT }))
        .route(
            "/slow",
            get(|RawQuery(query): RawQuery| async move {
                tokio::time::sleep(ms(query.as_deref())).await;
                "done"
            }),
        )
        .route(
            "/chaos/block",
            get(|RawQuery(query): RawQuery| async move {
                thread::sleep(ms(query.as_deref()));
                "blocked\n"
            }),
        )
        .route("/worker", get(|| async { worker() }))
        .route("/bytes/{n}", get(|Path(n): Path<usize>| async move { bytes(n) }))
}

/// Accepts connections whose TLS handshake is done. Handshakes run side by side.
struct TlsListener {
    address: SocketAddr,
    accepted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    fn new(listener: TcpListener, mut config: ServerConfig) -> io::Result<Self> {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let address = listener.local_addr()?;
        let (sender, accepted) = mpsc::channel(1024);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = sender.closed() => break,
                };
                // The client has gone already.
                let Ok((socket, peer)) = accepted else { continue };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        // The server ends.
                        let _ = sender.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(Self { address, accepted })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
