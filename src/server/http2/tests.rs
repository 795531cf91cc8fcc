//! The wire between a client and a dispatcher, both of the h2 crate: the same that actix-http builds on.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    error::Error,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use h2::{client, server};
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    task::{LocalSet, spawn_local},
};

use super::{
    Ending, StreamEvents, Wire,
    frames::{Frame, FrameScanner, MAX_STREAM},
};
use crate::virtual_time::assert_virtual_time;

type TestResult = Result<(), Box<dyn Error>>;

/// A connection that is shared by the dispatcher, which moves its bytes, and the test.
#[derive(Default)]
struct Shared {
    ending: RefCell<Option<Ending>>,
    waker: RefCell<Option<Waker>>,
    begun: RefCell<BTreeSet<u32>>,
    written: RefCell<BTreeSet<u32>>,
    ended: RefCell<BTreeSet<u32>>,
    limits: RefCell<Vec<u32>>,
}

impl Shared {
    fn end(&self, ending: Ending) {
        *self.ending.borrow_mut() = Some(ending);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl StreamEvents for Shared {
    fn begin(&self, stream: u32, _: bool) {
        self.begun.borrow_mut().insert(stream);
    }
    fn read_data(&self, _: u32) {}
    fn has_room(&self, _: &Waker) -> bool {
        true
    }
    fn write_data(&self, stream: u32, _: usize, ends: bool) {
        if ends {
            self.write_end(stream);
        }
    }
    fn write_end(&self, stream: u32) {
        self.written.borrow_mut().insert(stream);
    }
    fn flush(&self) {
        self.ended.borrow_mut().append(&mut self.written.borrow_mut());
    }
    fn reset(&self, stream: u32) {
        self.ended.borrow_mut().insert(stream);
    }
    fn limit(&self, last: u32) {
        self.limits.borrow_mut().push(last);
    }
    fn len(&self) -> usize {
        self.begun.borrow().len() - self.ended.borrow().len()
    }
}

struct Wired {
    io: DuplexStream,
    wire: Wire,
    shared: Rc<Shared>,
}

impl Wired {
    fn new(io: DuplexStream) -> (Self, Rc<Shared>) {
        let shared = Rc::new(Shared::default());
        (Self { io, wire: Wire::new(Duration::from_secs(5)), shared: Rc::clone(&shared) }, shared)
    }

    fn ending(&self) -> Ending {
        self.shared.ending.borrow().unwrap_or(Ending::Serve)
    }
}

impl AsyncRead for Wired {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        *this.shared.waker.borrow_mut() = Some(cx.waker().clone());
        let ending = this.ending();
        this.wire.poll_read(&mut this.io, cx, buf, ending, &*this.shared)
    }
}

impl AsyncWrite for Wired {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let ending = this.ending();
        this.wire.poll_write(&mut this.io, cx, bufs, ending, &*this.shared)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.wire.poll_flush(&mut this.io, cx, &*this.shared)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.wire.poll_shutdown(&mut this.io, cx)
    }
}

/// Serves a connection as actix-http does it: a task a stream, an answer in chunks.
async fn serve(wired: Wired, answer: usize) -> Result<(), h2::Error> {
    let mut connection = server::handshake(wired).await?;
    while let Some(accepted) = connection.accept().await {
        let (_, mut respond) = accepted?;
        spawn_local(async move {
            let mut stream = respond.send_response(Response::new(()), false)?;
            tokio::task::yield_now().await;
            stream.send_data(Bytes::from(vec![0; answer]), false)?;
            tokio::task::yield_now().await;
            stream.send_data(Bytes::new(), true)
        });
    }
    Ok(())
}

/// Sends a request, and reads its answer to the end.
async fn request(mut client: client::SendRequest<Bytes>) -> Result<usize, h2::Error> {
    client = client.ready().await?;
    let (response, _) = client.send_request(Request::new(()), true)?;
    let mut body = response.await?.into_body();
    let mut length = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        length += chunk.len();
    }
    Ok(length)
}

/// With pipes so small that every frame is cut somewhere, an end in the middle of 100 streams loses none
/// that the client has begun.
#[tokio::test]
async fn every_stream_that_was_begun_is_answered_when_the_connection_ends_in_the_middle() -> TestResult {
    for (pipe, size) in [(61, 3000), (997, 20_000), (4096, 20_000), (100_000, 20_000)] {
        let tasks = LocalSet::new();
        let (near, far) = duplex(pipe);
        let (wired, shared) = Wired::new(far);
        let served = tasks.spawn_local(serve(wired, size));
        let lost = tasks.run_until(async {
            let (client, connection) = client::handshake(near).await?;
            let connection = spawn_local(connection);
            let mut answers = Vec::new();
            for index in 0..100 {
                answers.push(spawn_local(request(client.clone())));
                if index == 50 {
                    tokio::task::yield_now().await;
                    shared.end(Ending::Announce);
                }
            }
            let mut lost = 0;
            for answer in join_all(answers).await {
                match answer? {
                    Ok(length) => assert_eq!(length, size),
                    // The client has not sent it, and knows that it may go elsewhere.
                    Err(error) if error.is_go_away() => {}
                    Err(_) => lost += 1,
                }
            }
            connection.await??;
            drop(client);
            Ok::<_, Box<dyn Error>>(lost)
        });
        assert_eq!(lost.await?, 0, "with a pipe of {pipe} bytes");
        // The client may have closed while the last GOAWAY was on its way.
        let _ = tasks.run_until(served).await?;
        assert_eq!(*shared.begun.borrow(), *shared.ended.borrow(), "with a pipe of {pipe} bytes");
        assert!(!shared.begun.borrow().is_empty());
    }
    Ok(())
}

/// A client that speaks in bytes.
struct RawClient {
    io: DuplexStream,
    scanner: FrameScanner,
    frames: Vec<Frame>,
}

impl RawClient {
    async fn connect(mut io: DuplexStream) -> io::Result<Self> {
        io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        io.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
        Ok(Self { io, scanner: FrameScanner::of_server(), frames: Vec::new() })
    }

    /// Reads until a frame has come for which `is_it` says yes, or until the end.
    async fn read_until(&mut self, is_it: impl Fn(&Frame) -> bool) -> io::Result<bool> {
        let mut seen = 0;
        loop {
            if self.frames[seen..].iter().any(&is_it) {
                return Ok(true);
            }
            seen = self.frames.len();
            let mut bytes = [0; 100];
            let length = self.io.read(&mut bytes).await?;
            if length == 0 {
                return Ok(false);
            }
            self.scanner.feed(&bytes[..length], |frame, _| self.frames.push(frame));
        }
    }

    /// Opens a stream by the shortest request there is.
    async fn open(&mut self, stream: u32) -> io::Result<()> {
        let id = stream.to_be_bytes();
        // :method GET, :scheme http, :path /, from the static table.
        let head = [0, 0, 3, 1, 5, id[0], id[1], id[2], id[3], 0x82, 0x86, 0x84];
        self.io.write_all(&head).await
    }

    async fn acknowledge(&mut self) -> io::Result<()> {
        self.io.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], b"graceful"].concat()).await
    }
}

fn is_announcement(frame: &Frame) -> bool {
    *frame == Frame::GoAway { last_stream: MAX_STREAM, error: 0 }
}

#[tokio::test]
async fn a_stream_opened_before_the_acknowledgement_is_answered_and_the_last_goaway_names_it() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, shared) = Wired::new(far);
    let served = tasks.spawn_local(serve(wired, 10));
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.open(1).await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(1)).await?);
            shared.end(Ending::Announce);
            assert!(client.read_until(is_announcement).await?);
            assert!(client.read_until(|frame| matches!(frame, Frame::Ping { is_ack: false, .. })).await?);
            // On its way when the client was told.
            client.open(3).await?;
            client.acknowledge().await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(3)).await?);
            let last = Frame::GoAway { last_stream: 3, error: 0 };
            assert!(client.read_until(|frame| *frame == last).await?);
            assert!(!client.read_until(|_| false).await?, "and FIN");
            io::Result::Ok(())
        })
        .await?;
    tasks.run_until(served).await??;
    Ok(())
}

/// Some clients open a connection for a request, and send that however soon they are told.
#[tokio::test]
async fn a_connection_that_is_opened_when_others_end_serves_one_stream_first() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, shared) = Wired::new(far);
    let served = tasks.spawn_local(serve(wired, 10));
    shared.end(Ending::Announce);
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.io.write_all(&[&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], b"a client"].concat()).await?;
            let answered = Frame::Ping { is_ack: true, payload: *b"a client" };
            assert!(client.read_until(|frame| *frame == answered).await?);
            assert!(!client.frames.iter().any(is_announcement), "{:?}", client.frames);
            client.open(1).await?;
            assert!(client.read_until(is_announcement).await?);
            client.acknowledge().await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(1)).await?);
            let last = Frame::GoAway { last_stream: 1, error: 0 };
            assert!(client.read_until(|frame| *frame == last).await?);
            io::Result::Ok(())
        })
        .await?;
    tasks.run_until(served).await??;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_acknowledges_holds_the_connection_for_a_second_and_no_longer() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, shared) = Wired::new(far);
    let served = tasks.spawn_local(serve(wired, 10));
    let begun = tokio::time::Instant::now();
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.open(1).await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(1)).await?);
            shared.end(Ending::Announce);
            let last = Frame::GoAway { last_stream: 1, error: 0 };
            assert!(client.read_until(|frame| *frame == last).await?);
            io::Result::Ok(())
        })
        .await?;
    assert_virtual_time(begun.elapsed(), Duration::from_secs(1));
    tasks.run_until(served).await??;
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_to_finish_waits_for_no_acknowledgement() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, shared) = Wired::new(far);
    let served = tasks.spawn_local(serve(wired, 10));
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.open(1).await?;
            assert!(client.read_until(|frame| frame.ended_stream() == Some(1)).await?);
            shared.end(Ending::Finish);
            assert!(client.read_until(is_announcement).await?);
            let last = Frame::GoAway { last_stream: 1, error: 0 };
            assert!(client.read_until(|frame| *frame == last).await?);
            io::Result::Ok(())
        })
        .await?;
    tasks.run_until(served).await??;
    Ok(())
}

#[tokio::test]
async fn the_client_is_told_how_many_streams_are_served_at_a_time() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(4096);
    let (wired, _shared) = Wired::new(far);
    tasks.spawn_local(serve(wired, 10));
    let mut head = [0; 9 + 64];
    let length = tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            client.io.read(&mut head).await
        })
        .await?;
    let limit = [0, 3, 0, 0, 1, 0];
    assert!(head[9..length].chunks(6).any(|setting| setting == limit), "{:?}", &head[..length]);
    Ok(())
}

#[tokio::test]
async fn a_client_that_opens_streams_without_end_is_cut_off() -> TestResult {
    let tasks = LocalSet::new();
    let (near, far) = duplex(1 << 20);
    let (wired, shared) = Wired::new(far);
    // Nothing is answered.
    let served = tasks.spawn_local(async move {
        let mut connection = server::handshake(wired).await?;
        let mut streams = Vec::new();
        while let Some(accepted) = connection.accept().await {
            streams.push(accepted?);
        }
        Ok::<_, h2::Error>(())
    });
    tasks
        .run_until(async {
            let mut client = RawClient::connect(near).await?;
            for stream in (1..10_000).step_by(2) {
                if client.open(stream).await.is_err() {
                    break;
                }
            }
            io::Result::Ok(())
        })
        .await?;
    assert!(tasks.run_until(served).await?.is_err());
    assert!(shared.begun.borrow().len() < 10_000 / 2);
    Ok(())
}

#[tokio::test]
async fn twice_as_many_streams_as_the_client_is_told_are_tolerated_and_no_more() -> TestResult {
    for (streams, is_served) in [(512, true), (513, false)] {
        let (mut near, far) = duplex(4096);
        let (mut wired, shared) = Wired::new(far);
        shared.begun.borrow_mut().extend(0..streams);
        near.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        assert_eq!(wired.read(&mut [0; 100]).await.is_ok(), is_served, "{streams}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_closed_is_read_on_until_the_client_closes_or_the_timeout_has_passed()
-> TestResult {
    let (mut near, far) = duplex(64);
    let (mut wired, _) = Wired::new(far);
    let begun = tokio::time::Instant::now();
    let client = async move {
        assert_eq!(near.read(&mut [0]).await?, 0, "FIN comes first");
        for _ in 0..10 {
            near.write_all(&[0; 64]).await?;
        }
        io::Result::Ok(())
    };
    let server = async move {
        wired.shutdown().await?;
        drop(wired);
        io::Result::Ok(())
    };
    let (client, server) = tokio::join!(client, server);
    client.and(server)?;
    assert_virtual_time(begun.elapsed(), Duration::ZERO);

    let (_near, far) = duplex(64);
    let (mut wired, _) = Wired::new(far);
    wired.shutdown().await?;
    assert_virtual_time(begun.elapsed(), Duration::from_secs(5));
    Ok(())
}

#[tokio::test]
async fn the_dispatcher_is_handed_the_goaway_as_soon_as_there_is_room_for_a_whole_one() -> TestResult {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let (mut near, far) = duplex(4096);
    let (mut wired, shared) = Wired::new(far);
    let sent = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &SETTINGS].concat();
    near.write_all(&sent).await?;
    wired.read_exact(&mut vec![0; sent.len()]).await?;
    wired.write_all(&SETTINGS).await?;
    shared.end(Ending::Finish);
    let mut cx = Context::from_waker(Waker::noop());
    for (room, expected) in [(16, 0), (17, 17)] {
        let mut bytes = [0; 17];
        let mut buf = ReadBuf::new(&mut bytes[..room]);
        assert_eq!(Pin::new(&mut wired).poll_read(&mut cx, &mut buf)?.is_ready(), expected > 0);
        assert_eq!(buf.filled().len(), expected);
    }
    Ok(())
}
