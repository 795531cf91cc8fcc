//! Clients that connect for each request.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    runtime,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::TlsConnector;

use crate::{
    common::certificate,
    load::measured,
    metric::{Metric, Sample},
    stage::{Stage, stop},
    tools::Load,
};

/// How long a worker is blocked, and the part of it in which clients connect.
const BLOCKED: &str = "/chaos/block?ms=2000";
const MEANWHILE: Duration = Duration::from_millis(1800);
/// The time until the worker is blocked.
const UNDER_WAY: Duration = Duration::from_millis(50);
/// How often a client connects meanwhile.
const PACE: Duration = Duration::from_millis(2);
/// How long clients do handshakes.
const TIME: Duration = Duration::from_secs(2);
const CLIENTS: usize = 16;
/// The timeout of a request.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// One of four workers is blocked while a client connects each two milliseconds, whatever became of those before.
pub(crate) fn one_blocked(stage: &Stage) -> io::Result<Sample> {
    let server = stage.start(Some(4))?;
    let address = server.address;
    let mut latencies = runtime()?.block_on(async {
        let blocked = tokio::spawn(connect_and_ask(address, BLOCKED));
        sleep(UNDER_WAY).await;
        let mut clients = JoinSet::new();
        let until = Instant::now() + MEANWHILE;
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while ticks.tick().await < until {
            clients.spawn(async move {
                let begun = Instant::now();
                connect_and_ask(address, "/").await.map(|()| begun.elapsed())
            });
        }
        let latencies = clients.join_all().await.into_iter().collect::<io::Result<Vec<_>>>()?;
        blocked.await.map_err(io::Error::other)??;
        Ok::<_, io::Error>(latencies)
    })?;
    latencies.sort_unstable();
    let p99 = latencies.get(latencies.len() * 99 / 100);
    let p99 = p99.ok_or_else(|| io::Error::other("no client has connected"))?;
    stop(server)?;
    Ok(vec![(Metric::P99, p99.as_secs_f64() * 1e3)])
}

/// Each client does a whole handshake, sends a request and reads to the connection's end, again and again.
pub(crate) fn handshakes(stage: &Stage) -> io::Result<Sample> {
    let server = stage.start(None)?;
    let connector = TlsConnector::from(stage.tls("http/1.1")?);
    measured(stage, server, |server| {
        let address = server.address;
        let connector = Arc::new(connector);
        runtime()?.block_on(async {
            let until = Instant::now() + TIME;
            let mut clients = JoinSet::new();
            for _ in 0..CLIENTS {
                let connector = Arc::clone(&connector);
                clients.spawn(async move {
                    let mut done = 0;
                    while Instant::now() < until {
                        let socket = TcpStream::connect(address).await?;
                        ask(connector.connect(certificate::name()?, socket).await?, "/").await?;
                        done += 1;
                    }
                    Ok(done)
                });
            }
            let done = clients.join_all().await.into_iter().sum::<io::Result<u32>>()?;
            Ok(Load { requests: done.into(), seconds: TIME.as_secs_f64(), errors: 0.0, p99: None })
        })
    })
}

fn runtime() -> io::Result<runtime::Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

async fn connect_and_ask(address: SocketAddr, path: &str) -> io::Result<()> {
    timeout(STUCK_AFTER, async { ask(TcpStream::connect(address).await?, path).await }).await?
}

/// Sends a request, and reads until the server has closed the connection.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        // Some servers do not end TLS in order.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    if answer.starts_with(b"HTTP/1.1 200") {
        Ok(())
    } else {
        Err(io::Error::other(format!("answered {:?}", String::from_utf8_lossy(&answer))))
    }
}
