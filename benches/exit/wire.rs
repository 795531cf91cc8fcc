//! A connection whose bytes are on their way for some time.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// What a wire holds of each direction: more than flow control lets a server send.
const CAPACITY: usize = 32 << 20;
const CHUNK: usize = 64 << 10;

/// One end of a wire whose other end is `socket`. Each byte arrives `delay` after it was sent, and so does the end.
pub(crate) fn wire(socket: TcpStream, delay: Duration) -> DuplexStream {
    let (near, far) = duplex(CAPACITY);
    let (from_near, to_near) = split(far);
    let (from_server, to_server) = socket.into_split();
    carry(from_near, to_server, delay);
    carry(from_server, to_near, delay);
    near
}

fn carry(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut to: impl AsyncWrite + Unpin + Send + 'static,
    delay: Duration,
) {
    let (sender, mut sent) = mpsc::channel::<(Instant, Vec<u8>)>(CAPACITY / CHUNK);
    tokio::spawn(async move {
        let mut buffer = vec![0; CHUNK];
        // A reset ends what arrives, as an end does.
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now() + delay, buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
        // Without bytes: the end.
        let _ = sender.send((Instant::now() + delay, Vec::new())).await;
    });
    tokio::spawn(async move {
        while let Some((at, bytes)) = sent.recv().await {
            sleep_until(at).await;
            let passed_on: io::Result<()> =
                if bytes.is_empty() { to.shutdown().await } else { to.write_all(&bytes).await };
            if passed_on.is_err() {
                return;
            }
        }
    });
}
