//! What of a connection's bytes actix-http gets to see, and when.

use std::{
    future::poll_fn,
    io::{Read, Write},
    net,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Wake, Waker},
};

use tokio::net::TcpListener;

use super::*;
use crate::drain::{ConnectionGuard, Connections, Drain, RequestName};

/// A drain, a client's end of its only connection, and the server's, with its guard.
async fn connected() -> io::Result<(Drain, net::TcpStream, Wire, ConnectionGuard)> {
    let drain = Drain::new(1);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = net::TcpStream::connect(listener.local_addr()?)?;
    let (socket, _) = listener.accept().await?;
    let guard = drain.connections.register(0);
    let wire = Wire::new(Io::Tcp(socket), Arc::clone(guard.connection()));
    Ok((drain, client, wire, guard))
}

fn detach_all(connections: &Connections) -> bool {
    connections.detach(Duration::ZERO, |_| true, socket::have_no_pending_input)
}

/// What one poll of actix-http's task reads.
fn read_all(wire: &mut Wire, cx: &mut Context<'_>) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let mut bytes = [0; 8 << 10];
        let mut buffer = ReadBuf::new(&mut bytes);
        match wire.poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => read.extend(buffer.filled()),
            _ => return read,
        }
    }
}

/// Reads until nothing more comes without being waited for.
async fn read_on(wire: &mut Wire, least: usize) -> Vec<u8> {
    let mut read = Vec::new();
    poll_fn(|cx| {
        read.extend(read_all(wire, cx));
        if read.len() < least { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    for _ in 0..100 {
        read.extend(read_all(wire, &mut Context::from_waker(Waker::noop())));
        tokio::task::yield_now().await;
    }
    read
}

/// A client's end of a TLS connection, and the server's.
#[cfg(feature = "rustls-0_23")]
async fn tls()
-> Result<(tokio_rustls::client::TlsStream<tokio::net::TcpStream>, Io), Box<dyn std::error::Error>> {
    use tokio_rustls::{
        TlsAcceptor, TlsConnector,
        rustls::{
            ClientConfig, RootCertStore, ServerConfig,
            crypto::ring,
            pki_types::{PrivateKeyDer, ServerName},
        },
    };

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let server =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)?;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let client = client.with_root_certificates(roots).with_no_client_auth();

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (near, far) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
    let (near, (far, _)) = (near?, far?);
    let connecting = TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost")?, near);
    let (near, far) = tokio::join!(connecting, TlsAcceptor::from(Arc::new(server)).accept(far));
    Ok((near?, Io::Rustls(Box::new(far?.into()))))
}

/// A TLS record is decrypted as a whole: what actix-http has not read of it is in no socket any more.
#[cfg(feature = "rustls-0_23")]
#[tokio::test]
async fn a_connection_with_a_request_in_its_tls_session_has_pending_input()
-> Result<(), Box<dyn std::error::Error>> {
    use tokio::io::AsyncWriteExt;

    let (mut near, far) = tls().await?;
    let drain = Drain::new(1);
    let guard = drain.connections.register(0);
    let mut wire = Wire::new(far, Arc::clone(guard.connection()));
    let request = b"GET / HTTP/1.1\r\n\r\n";
    near.write_all(&request.repeat(2)).await?;
    near.flush().await?;
    let mut bytes = [0; 18];
    poll_fn(|cx| wire.poll_read(cx, &mut ReadBuf::new(&mut bytes))).await?;
    assert_eq!(&bytes, request);
    assert!(!wire.has_no_pending_input(), "there is another request");
    poll_fn(|cx| wire.poll_read(cx, &mut ReadBuf::new(&mut bytes))).await?;
    assert!(wire.has_no_pending_input());
    Ok(())
}

/// tokio's driver does not run between the client's write and the look: the kernel alone knows of the request.
#[tokio::test]
async fn a_connection_with_a_request_in_its_socket_is_neither_detached_nor_closed() -> io::Result<()> {
    let (drain, mut client, mut wire, guard) = connected().await?;
    poll_fn(|cx| {
        assert!(read_all(&mut wire, cx).is_empty());
        client.write_all(b"GET").expect("it is open");
        assert!(detach_all(&drain.connections));
        drain.connections.close_when_idle(Duration::ZERO, |_| true);
        Poll::Ready(())
    })
    .await;
    assert!(guard.connection().closes_now() && !wire.has_no_pending_input());
    assert_eq!(drain.connections.awaited(), 1, "it was detached");
    assert_eq!(read_on(&mut wire, 3).await, b"GET");
    Ok(())
}

/// Between reading a request and beginning it, neither the kernel nor the connection's record knows of it.
#[tokio::test]
async fn a_connection_whose_task_is_being_polled_is_not_detached() -> io::Result<()> {
    let (drain, client, _wire, guard) = connected().await?;
    let polled = guard.connection().poll(|| Poll::Ready(detach_all(&drain.connections)));
    assert_eq!((polled, drain.connections.awaited()), (Poll::Ready(Some(false)), 1));
    assert_eq!((detach_all(&drain.connections), drain.connections.awaited()), (true, 0));
    drop(client);
    Ok(())
}

const HEAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[tokio::test]
async fn requests_are_handed_on_one_at_a_time_and_what_may_be_a_body_at_once() -> io::Result<()> {
    for (has_body, pieces) in [(false, vec![1; 40]), (true, vec![1, 16, 16, 7])] {
        let (_drain, mut client, mut wire, guard) = connected().await?;
        client.write_all(&HEAD.repeat(40))?;
        let noop = &mut Context::from_waker(Waker::noop());
        let mut read = Vec::new();
        while read.iter().sum::<usize>() < 40 * HEAD.len() {
            read.push(read_all(&mut wire, noop).len());
            if has_body && read.iter().sum::<usize>() == HEAD.len() {
                guard.connection().begin(RequestName::GET, false, true);
            }
            tokio::task::yield_now().await;
        }
        read.retain(|&length| length > 0);
        assert_eq!(read, pieces.iter().map(|heads| heads * HEAD.len()).collect::<Vec<_>>());
        assert!(guard.connection().is_idle() || has_body);
    }
    Ok(())
}

#[tokio::test]
async fn behind_a_request_without_a_body_so_much_is_read_ahead_and_handed_on_when_that_is_answered()
-> io::Result<()> {
    for ahead in [HEAD.repeat(2), vec![b'x'; 200 << 10]] {
        let (_drain, mut client, mut wire, guard) = connected().await?;
        client.write_all(HEAD)?;
        assert_eq!(read_on(&mut wire, HEAD.len()).await, HEAD);
        guard.connection().begin(RequestName::GET, false, false);
        client.write_all(&ahead)?;
        let expected = ahead.len().min(BYTES_AHEAD);
        while wire.read_ahead.len() < expected {
            assert!(read_on(&mut wire, 0).await.is_empty());
        }
        assert!(wire.read_ahead.len() < BYTES_AHEAD + (8 << 10));
        guard.connection().given_up(false);
        assert!(guard.connection().is_between_requests() && !guard.connection().is_idle());
        assert_eq!(read_all(&mut wire, &mut Context::from_waker(Waker::noop()))[..8], ahead[..8]);
    }
    Ok(())
}

/// Also the one that has closed its sending side.
#[tokio::test]
async fn what_was_read_ahead_is_handed_on_before_the_end_of_the_connection() -> io::Result<()> {
    let (_drain, mut client, mut wire, guard) = connected().await?;
    client.write_all(HEAD)?;
    assert_eq!(read_on(&mut wire, HEAD.len()).await, HEAD);
    guard.connection().begin(RequestName::GET, false, false);
    client.write_all(HEAD)?;
    client.shutdown(net::Shutdown::Write)?;
    while !wire.read_closed {
        assert!(read_on(&mut wire, 0).await.is_empty());
    }
    guard.connection().given_up(false);
    assert_eq!(read_on(&mut wire, HEAD.len()).await, HEAD);
    let mut bytes = [0; 64];
    let mut buffer = ReadBuf::new(&mut bytes);
    poll_fn(|cx| wire.poll_read(cx, &mut buffer)).await?;
    assert!(buffer.filled().is_empty());
    Ok(())
}

#[tokio::test]
async fn nothing_is_read_while_an_answer_waits_to_be_written() -> io::Result<()> {
    let (_drain, mut client, mut wire, _guard) = connected().await?;
    let answer = vec![b'x'; 1 << 20];
    poll_fn(|cx| {
        while wire.poll_write(cx, &answer).is_ready() {}
        Poll::Ready(())
    })
    .await;
    client.write_all(HEAD)?;
    for _ in 0..100 {
        assert!(read_all(&mut wire, &mut Context::from_waker(Waker::noop())).is_empty());
        tokio::task::yield_now().await;
    }
    let reader = std::thread::spawn(move || io::copy(&mut client, &mut io::sink()));
    poll_fn(|cx| wire.poll_write(cx, b"x")).await?;
    poll_fn(|cx| wire.poll_flush(cx)).await?;
    assert_eq!(read_on(&mut wire, HEAD.len()).await, HEAD);
    drop(wire);
    drop(reader.join());
    Ok(())
}

/// tokio's driver does not run between the client's write and the close: the kernel alone knows of the bytes. Closing
/// the socket with them in it would send a reset.
#[tokio::test]
async fn a_connection_is_closed_only_when_its_socket_holds_no_unread_byte() -> io::Result<()> {
    let (_drain, mut client, mut wire, _guard) = connected().await?;
    poll_fn(|cx| {
        assert!(read_all(&mut wire, cx).is_empty());
        client.write_all(HEAD).expect("it is open");
        assert!(wire.poll_close(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    poll_fn(|cx| wire.poll_close(cx)).await;
    drop(wire);
    assert_eq!(client.read(&mut [0])?, 0, "its end, and not a reset");
    Ok(())
}

/// A TLS session takes more than the socket does.
#[cfg(feature = "rustls-0_23")]
#[tokio::test]
async fn an_answer_that_the_tls_session_still_holds_has_not_left() -> Result<(), Box<dyn std::error::Error>> {
    let (near, far) = tls().await?;
    let drain = Drain::new(1);
    let guard = drain.connections.register(0);
    let mut wire = Wire::new(far, Arc::clone(guard.connection()));
    let answer = vec![b'x'; 1 << 20];
    poll_fn(|cx| {
        while wire.poll_write(cx, &answer).is_ready() {}
        assert!(wire.poll_flush(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(near);
    Ok(())
}

#[tokio::test]
async fn a_client_that_closes_its_side_before_its_answer_has_gone_where_that_is_the_rule() -> io::Result<()> {
    for (half_closed_is_gone, waits, has_gone) in [(true, true, true), (true, false, false)] {
        let (_drain, mut client, mut wire, guard) = connected().await?;
        wire.set_limits(Limits { half_closed_is_gone, ..Limits::default() });
        client.write_all(HEAD)?;
        assert_eq!(read_on(&mut wire, HEAD.len()).await, HEAD);
        if waits {
            guard.connection().begin(RequestName::GET, false, false);
        }
        client.shutdown(net::Shutdown::Write)?;
        let mut bytes = [0; 64];
        let mut buffer = ReadBuf::new(&mut bytes);
        poll_fn(|cx| wire.poll_read(cx, &mut buffer)).await?;
        assert!(buffer.filled().is_empty());
        assert_eq!(wire.client_has_gone(), has_gone, "{half_closed_is_gone} {waits}");
    }
    Ok(())
}

/// A client of whose body nothing has come yet, and the server's end of the connection, which is to be closed.
async fn refused_upload(disconnect_timeout: Duration) -> io::Result<(net::TcpStream, Wire, ConnectionGuard)> {
    let (_, client, mut wire, guard) = connected().await?;
    client.set_read_timeout(Some(Duration::from_secs(60)))?;
    wire.set_limits(Limits { disconnect_timeout, ..Limits::default() });
    guard.connection().begin(RequestName::GET, false, true);
    Ok((client, wire, guard))
}

#[tokio::test(start_paused = true)]
async fn a_refused_upload_is_told_the_end_and_read_on_until_its_client_is_silent() -> io::Result<()> {
    let (mut client, mut wire, _guard) = refused_upload(Duration::from_secs(3)).await?;
    let begun = tokio::time::Instant::now();
    poll_fn(|cx| {
        assert!(wire.poll_close(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    assert_eq!(client.read(&mut [0])?, 0, "our side is closed");
    poll_fn(|cx| wire.poll_close(cx)).await;
    assert_eq!(begun.elapsed().as_secs(), 3);
    let (_drain, _client, mut wire, _guard) = connected().await?;
    wire.set_limits(Limits { disconnect_timeout: Duration::from_secs(3), ..Limits::default() });
    let begun = tokio::time::Instant::now();
    poll_fn(|cx| wire.poll_close(cx)).await;
    assert_eq!(begun.elapsed().as_secs(), 0, "nothing is expected of this one");
    Ok(())
}

/// The clock stands still, so that it is the bytes that end it.
#[tokio::test(start_paused = true)]
async fn a_refused_upload_is_read_on_for_so_many_bytes_and_no_more() -> io::Result<()> {
    const MOST: usize = 64 << 20;
    let (mut client, mut wire, _guard) = refused_upload(Duration::from_secs(3)).await?;
    client.set_nonblocking(true)?;
    let (piece, mut sent) = (vec![0; 1 << 20], 0);
    while poll_fn(|cx| Poll::Ready(wire.poll_close(cx))).await.is_pending() && sent < 2 * MOST {
        match client.write(&piece) {
            Ok(bytes) => sent += bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        tokio::task::yield_now().await;
    }
    // What the kernel holds between the two was sent as well.
    assert!((MOST..MOST + MOST / 2).contains(&sent), "{sent}");
    Ok(())
}

/// How often a call wakes the task that makes it.
fn wakes(call: impl FnOnce(&mut Context<'_>)) -> usize {
    #[derive(Default)]
    struct Wakes(AtomicUsize);
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = Arc::new(Wakes::default());
    call(&mut Context::from_waker(&Waker::from(Arc::clone(&count))));
    count.0.load(Ordering::Relaxed)
}

#[tokio::test]
async fn reading_that_was_put_off_goes_on_when_the_connection_is_idle_or_its_write_is_done() -> io::Result<()>
{
    let flush = |wire: &mut Wire| wakes(|cx| assert!(wire.poll_flush(cx).is_ready()));
    let (_drain, mut client, mut wire, guard) = connected().await?;
    client.write_all(HEAD)?;
    assert_eq!(read_on(&mut wire, HEAD.len()).await, HEAD);
    guard.connection().begin(RequestName::GET, false, false);
    client.write_all(&vec![b'x'; 200 << 10])?;
    while wire.read_ahead.len() < BYTES_AHEAD {
        read_on(&mut wire, 0).await;
    }
    assert!(read_all(&mut wire, &mut Context::from_waker(Waker::noop())).is_empty());
    assert_eq!(flush(&mut wire), 0, "the request is not answered");
    guard.connection().given_up(false);
    assert_eq!(flush(&mut wire), 1);
    assert_eq!(flush(&mut wire), 0, "nothing was put off since");

    let (_drain, mut client, mut wire, guard) = connected().await?;
    client.write_all(HEAD)?;
    assert_eq!(read_on(&mut wire, HEAD.len()).await, HEAD);
    guard.connection().begin(RequestName::GET, false, false);
    let answer = vec![b'x'; 1 << 20];
    poll_fn(|cx| {
        while wire.poll_write(cx, &answer).is_ready() {}
        assert!(read_all(&mut wire, cx).is_empty());
        Poll::Ready(())
    })
    .await;
    client.set_nonblocking(true)?;
    let mut bytes = vec![0; 64 << 10];
    let (mut is_done, mut woken) = (false, 0);
    while !is_done {
        let _ = client.read(&mut bytes); // there may be nothing yet
        tokio::task::yield_now().await;
        woken = wakes(|cx| is_done = wire.poll_write(cx, b"x").is_ready());
    }
    assert_eq!(woken, 1);
    Ok(())
}
