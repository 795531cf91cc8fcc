//! Continuous traffic of HTTP/2 clients by prior knowledge, all on the calling thread.

use std::{error::Error, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::{Method, Request};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    network_namespace::NetworkNamespace,
    traffic::{PAUSE, Shared, Traffic},
    wait::STUCK_AFTER,
};

impl Traffic {
    /// HTTP/2 without TLS, inside a network namespace; each of the `clients` has two streams open at once.
    pub(crate) fn start_http2_in(network: &NetworkNamespace, to: SocketAddr, clients: usize) -> Self {
        Self::run_in(network, move |shared| run(shared, to, clients))
    }
}

/// Runs `clients` clients that keep their connection, and two that connect anew for each request, until they are told to
/// stop.
fn run(shared: &Arc<Shared>, to: SocketAddr, clients: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            tasks.spawn(send_on_kept_connection(Arc::clone(shared), to, client));
        }
        for _ in 0..2 {
            tasks.spawn(send_on_new_connections(Arc::clone(shared), to));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("a client does not panic");
        }
    });
}

async fn send_on_kept_connection(shared: Arc<Shared>, to: SocketAddr, client: usize) {
    let mut connection = None;
    for round in 0_u64.. {
        if shared.stopped() {
            return;
        }
        let key = (round % 8 == 7).then(|| format!("http2-{client}-{round}"));
        match two_streams(&mut connection, to, key.as_deref()).await {
            Ok(()) => {
                // Two streams, two answers.
                shared.answered(&shared.kept_alive);
                shared.answered(&shared.kept_alive);
                shared.stored.lock().expect("no panic").extend(key);
            }
            Err(error) => {
                shared.failed(format!("HTTP/2 client {client}, round {round}: {error}"));
                connection = None;
            }
        }
        sleep(2 * PAUSE).await;
    }
}

/// A request that takes 10 ms, and at the same time one that is quick, or stores a value.
async fn two_streams(
    connection: &mut Option<SendRequest<Bytes>>,
    to: SocketAddr,
    key: Option<&str>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let client = match connection {
        Some(client) => client.clone(),
        None => connection.insert(connect(to).await?).clone(),
    };
    let slow = ask(client.clone(), Method::GET, "/slow?ms=10", None, 200);
    let quick = async {
        match key {
            Some(key) => {
                ask(client, Method::PUT, &format!("/cache/{key}"), Some(key.to_owned().into()), 204).await
            }
            None => ask(client, Method::GET, "/", None, 200).await,
        }
    };
    let (slow, quick) = tokio::join!(slow, quick);
    slow.and(quick)
}

async fn send_on_new_connections(shared: Arc<Shared>, to: SocketAddr) {
    while !shared.stopped() {
        let answer = async { ask(connect(to).await?, Method::GET, "/", None, 200).await };
        match answer.await {
            Ok(()) => shared.answered(&shared.new_connections),
            Err(error) => shared.failed(format!("a new HTTP/2 connection: {error}")),
        }
        sleep(PAUSE / 2).await;
    }
}

/// Opens a connection, and moves its bytes in a task of its own.
async fn connect(to: SocketAddr) -> Result<SendRequest<Bytes>, Box<dyn Error + Send + Sync>> {
    let socket = timeout(STUCK_AFTER, TcpStream::connect(to)).await??;
    socket.set_nodelay(true)?;
    let (client, connection) = timeout(STUCK_AFTER, client::handshake(socket)).await??;
    tokio::spawn(connection);
    Ok(client)
}

/// Sends a request, and reads its answer to the last byte.
async fn ask(
    client: SendRequest<Bytes>,
    method: Method,
    path: &str,
    body: Option<Bytes>,
    expected: u16,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let request = Request::builder().method(method).uri(format!("http://localhost{path}")).body(())?;
    timeout(STUCK_AFTER, async {
        let mut client = client.ready().await?;
        let (response, mut stream) = client.send_request(request, body.is_none())?;
        if let Some(body) = body {
            stream.send_data(body, true)?;
        }
        let response = response.await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while let Some(chunk) = body.data().await {
            let length = chunk?.len();
            body.flow_control().release_capacity(length)?;
        }
        if status == expected { Ok(()) } else { Err(format!("{path}: status {status}").into()) }
    })
    .await?
}
