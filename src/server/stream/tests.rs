//! What passes through to the socket below, and from the frames of HTTP/2 to the connection's record.

use std::{future::poll_fn, io::Read, net, time::Duration};

use tokio::net::TcpListener;

use super::*;
use crate::drain::{ConnectionGuard, Drain};

async fn connected() -> io::Result<(net::TcpStream, Io, ConnectionGuard)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = net::TcpStream::connect(listener.local_addr()?)?;
    client.set_read_timeout(Some(Duration::from_secs(60)))?;
    let (socket, _) = listener.accept().await?;
    Ok((client, Io::Tcp(socket), Drain::new(1).connections.register(0)))
}

async fn write(to: &mut (impl AsyncWrite + Unpin), parts: &[&[u8]]) -> io::Result<usize> {
    let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    poll_fn(|cx| Pin::new(&mut *to).poll_write_vectored(cx, &parts)).await
}

#[tokio::test]
async fn parts_are_written_together_or_for_http1_the_first_that_has_bytes() -> io::Result<()> {
    let (mut client, mut io, _guard) = connected().await?;
    assert_eq!(write(&mut io, &[b"ab", b"cd"]).await?, 4);
    let mut read = [0; 4];
    client.read_exact(&mut read)?;
    assert_eq!(&read, b"abcd");

    let (mut client, io, guard) = connected().await?;
    let mut stream = Stream::new(io, Arc::clone(guard.connection()));
    assert_eq!(write(&mut stream, &[b"", b"abc", b"d"]).await?, 3);
    let mut read = [0; 3];
    client.read_exact(&mut read)?;
    assert_eq!(&read, b"abc");
    Ok(())
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn http2_writes_parts_whole_and_tells_its_client_the_end_before_it_is_dropped() -> io::Result<()> {
    let (mut client, io, guard) = connected().await?;
    let mut stream = Stream::http2(io, Arc::clone(guard.connection()), Duration::from_secs(60));
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(write(&mut stream, &[&ping[..9], &ping[9..]]).await?, ping.len());
    poll_fn(|cx| {
        assert!(Pin::new(&mut stream).poll_shutdown(cx).is_pending(), "the client has not closed its side");
        Poll::Ready(())
    })
    .await;
    let mut read = Vec::new();
    client.read_to_end(&mut read)?;
    assert_eq!(read, ping);
    Ok(())
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn the_record_follows_the_frames() -> io::Result<()> {
    let (_client, io, guard) = connected().await?;
    let stream = Stream::http2(io, Arc::clone(guard.connection()), Duration::ZERO);
    let events = &**stream.connection();
    for stream in [1, 3, 5] {
        events.frames().read(Frame::Headers { stream, ends_stream: true });
    }
    assert_eq!(events.len(), 3);
    events.frames().written(Frame::GoAway { last_stream: 3, error: 0 });
    events.frames().read(Frame::Headers { stream: 7, ends_stream: true });
    assert_eq!(events.len(), 2);
    // The dispatcher's own answer.
    events.frames().written(Frame::Headers { stream: 3, ends_stream: true });
    assert_eq!(events.len(), 1);
    let has_room = || events.has_room(Waker::noop());
    let read = || events.frames().read(Frame::Data { stream: 1, length: 1, ends_stream: false });
    let pieces = (0..100_000).take_while(|_| has_room()).inspect(|_| read()).count();
    assert!((1..100_000).contains(&pieces), "{pieces} pieces of a body wait for the application");
    read();
    assert!(!has_room());
    drop(stream);
    assert_eq!(guard.connection().open_streams(), 0);
    Ok(())
}
