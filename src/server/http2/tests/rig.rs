//! A connection to test: the dispatcher's side, and clients of it.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::{client, server};
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    task::spawn_local,
};

use super::super::{
    Ending, FrameEvents, StreamEvents, Wire,
    frames::{Frame, FrameScanner, MAX_STREAM},
};

/// A connection that is shared by the dispatcher, which moves its bytes, and the test.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) ending: RefCell<Option<Ending>>,
    pub(super) waker: RefCell<Option<Waker>>,
    pub(super) begun: RefCell<BTreeSet<u32>>,
    pub(super) written: RefCell<BTreeSet<u32>>,
    pub(super) ended: RefCell<BTreeSet<u32>>,
    pub(super) limits: RefCell<Vec<u32>>,
    /// The streams whose request has a body, and each piece of one by its stream.
    pub(super) bodies: RefCell<Vec<u32>>,
    pub(super) pieces: RefCell<Vec<u32>>,
}

impl Shared {
    pub(super) fn end(&self, ending: Ending) {
        *self.ending.borrow_mut() = Some(ending);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl StreamEvents for Shared {
    fn frames(&self) -> impl FrameEvents {
        self
    }
    fn has_room(&self, _: &Waker) -> bool {
        true
    }
    fn flush(&self) {
        self.ended.borrow_mut().append(&mut self.written.borrow_mut());
    }
    fn len(&self) -> usize {
        self.begun.borrow().len() - self.ended.borrow().len()
    }
}

impl FrameEvents for &Shared {
    fn read(&mut self, frame: Frame) {
        match frame {
            Frame::Headers { stream, ends_stream } => {
                self.begun.borrow_mut().insert(stream);
                self.bodies.borrow_mut().extend((!ends_stream).then_some(stream));
            }
            Frame::Data { stream, .. } => self.pieces.borrow_mut().push(stream),
            Frame::Reset { stream } => drop(self.ended.borrow_mut().insert(stream)),
            _ => {}
        }
    }
    fn written(&mut self, frame: Frame) {
        if let Frame::GoAway { last_stream, .. } = frame {
            self.limits.borrow_mut().push(last_stream);
        }
        self.written.borrow_mut().extend(frame.ended_stream());
    }
}

pub(super) struct Wired {
    pub(super) io: DuplexStream,
    pub(super) wire: Wire,
    pub(super) shared: Rc<Shared>,
}

impl Wired {
    pub(super) fn new(io: DuplexStream) -> (Self, Rc<Shared>) {
        let shared = Rc::new(Shared::default());
        (Self { io, wire: Wire::new(Duration::from_secs(5)), shared: Rc::clone(&shared) }, shared)
    }

    pub(super) fn ending(&self) -> Ending {
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
pub(super) async fn serve(wired: Wired, answer: usize) -> Result<(), h2::Error> {
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
pub(super) async fn request(mut client: client::SendRequest<Bytes>) -> Result<usize, h2::Error> {
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

/// A client that speaks in bytes.
pub(super) struct RawClient {
    pub(super) io: DuplexStream,
    pub(super) scanner: FrameScanner,
    pub(super) frames: Vec<Frame>,
}

impl RawClient {
    pub(super) async fn connect(mut io: DuplexStream) -> io::Result<Self> {
        io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        io.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
        Ok(Self { io, scanner: FrameScanner::of_server(), frames: Vec::new() })
    }

    /// Reads until a frame has come for which `is_it` says yes, or until the end.
    pub(super) async fn read_until(&mut self, is_it: impl Fn(&Frame) -> bool) -> io::Result<bool> {
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
    pub(super) async fn open(&mut self, stream: u32) -> io::Result<()> {
        let id = stream.to_be_bytes();
        // :method GET, :scheme http, :path /, from the static table.
        let head = [0, 0, 3, 1, 5, id[0], id[1], id[2], id[3], 0x82, 0x86, 0x84];
        self.io.write_all(&head).await
    }

    pub(super) async fn acknowledge(&mut self) -> io::Result<()> {
        self.io.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], b"graceful"].concat()).await
    }
}

pub(super) fn is_announcement(frame: &Frame) -> bool {
    *frame == Frame::GoAway { last_stream: MAX_STREAM, error: 0 }
}
