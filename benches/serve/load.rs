//! Requests a second, of clients that send the next request when they have their answer.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    runtime,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    common::{process::Process, servers::Transport},
    metric::{Metric, Sample},
    stage::{Stage, processor_time, stop},
    tools::{Load, h2load, wrk},
};

/// How long a load lasts.
const TIME: Duration = Duration::from_secs(2);
const CLIENTS: usize = 64;

pub(crate) fn blocking(stage: &Stage, workers: usize) -> io::Result<Sample> {
    measured(stage, stage.start(Some(workers))?, |server| {
        wrk(&url(stage, server, "/chaos/block?ms=5"), CLIENTS, &[], TIME)
    })
}

pub(crate) fn keep_alive(stage: &Stage) -> io::Result<Sample> {
    measured(stage, stage.start(None)?, |server| wrk(&url(stage, server, "/"), CLIENTS, &[], TIME))
}

pub(crate) fn connection_each(stage: &Stage) -> io::Result<Sample> {
    measured(stage, stage.start(None)?, |server| {
        wrk(&url(stage, server, "/"), 32, &["Connection: close"], TIME)
    })
}

pub(crate) fn streams(stage: &Stage) -> io::Result<Sample> {
    measured(stage, stage.start(None)?, |server| h2load(&url(stage, server, "/"), 8, 16, TIME))
}

pub(crate) fn unix(stage: &Stage) -> io::Result<Sample> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("socket");
    measured(stage, stage.start_on(None, Some(&path))?, |_| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut clients = JoinSet::new();
            let until = Instant::now() + TIME;
            let path = Arc::new(path);
            for _ in 0..CLIENTS {
                let path = Arc::clone(&path);
                clients
                    .spawn(async move { one_after_another(UnixStream::connect(&*path).await?, until).await });
            }
            let answered = clients.join_all().await.into_iter().sum::<io::Result<u32>>()?;
            Ok(Load { requests: answered.into(), seconds: TIME.as_secs_f64(), errors: 0.0, p99: None })
        })
    })
}

fn url(stage: &Stage, server: &Process, path: &str) -> String {
    let scheme = if stage.transport == Transport::Tls { "https" } else { "http" };
    format!("{scheme}://{}{path}", server.address)
}

/// Puts a load on a server and ends it.
pub(crate) fn measured(
    stage: &Stage,
    server: Process,
    load: impl FnOnce(&Process) -> io::Result<Load>,
) -> io::Result<Sample> {
    let before = processor_time(&server);
    let load = load(&server)?;
    if load.errors > 0.0 {
        eprintln!("{}: {} of {} requests failed", stage.framework, load.errors, load.requests);
    }
    let mut sample = vec![(Metric::Rate, load.requests / load.seconds)];
    sample.extend(load.p99.map(|p99| (Metric::P99, p99)));
    if let Some((before, after)) = before.zip(processor_time(&server)) {
        sample.push((Metric::Processor, after.saturating_sub(before).as_secs_f64() * 1e6 / load.requests));
    }
    stop(server)?;
    Ok(sample)
}

/// Sends requests until then, and returns the number of those that were answered.
async fn one_after_another(mut stream: UnixStream, until: Instant) -> io::Result<u32> {
    let mut buffer = [0; 4096];
    let mut answered = 0;
    // All answers are as long as the first.
    let mut length = None;
    while Instant::now() < until {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        let mut read = 0;
        while length.is_none_or(|length| read < length) {
            // The deadline is far away for an answer, and near for a server that gives none.
            let received = timeout_at(until + TIME, stream.read(&mut buffer[read..])).await??;
            if received == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            read += received;
            length = length.or_else(|| answer_length(&buffer[..read]));
        }
        answered += 1;
    }
    Ok(answered)
}

/// The length of the answer that begins here, once its head is whole.
fn answer_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let body = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    Some(end + body.unwrap_or(0))
}
