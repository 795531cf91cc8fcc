//! A request's body that has to make progress: [`TimedBody`].

use std::{
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::{Payload, Request, error::PayloadError};
use actix_rt::time::{Sleep, sleep};
use bytes::Bytes;
use futures_core::Stream;

use super::connection::Connection;
#[cfg(feature = "http2")]
use super::unread_body::UnreadBody;

/// A request's body. It fails when the application has waited for it for too long, and tells the connection of its end.
///
/// One of HTTP/2 may wait for as long as it likes once the answer has begun: both then flow beside each other.
pub(super) struct TimedBody {
    inner: Payload,
    connection: Arc<Connection>,
    /// Its stream, on a connection that speaks HTTP/2.
    stream: Option<u32>,
    timeout: Option<Duration>,
    /// Runs while the application waits.
    timer: Option<Pin<Box<Sleep>>>,
    /// Takes what is left of one of HTTP/2; none, once it has come to its end or failed.
    unread: Option<Rc<UnreadBody>>,
}

/// What is left of a body: HTTP/1 reads it by itself.
#[cfg(not(feature = "http2"))]
#[derive(Debug)]
pub(super) enum UnreadBody {}

impl TimedBody {
    /// Replaces a request's body with it. Returns what is to be told of the answer, if the request has a stream.
    pub(super) fn wrap(
        request: &mut Request,
        timeout: Option<Duration>,
        connection: &Arc<Connection>,
        stream: Option<u32>,
    ) -> Option<Rc<UnreadBody>> {
        let inner = std::mem::replace(request.payload(), Payload::None);
        #[cfg(feature = "http2")]
        let unread = stream.map(|stream| {
            let unread = UnreadBody::new(connection, stream, request.head(), timeout);
            Rc::new(unread)
        });
        #[cfg(not(feature = "http2"))]
        let unread = None;
        let connection = Arc::clone(connection);
        let body = Self { inner, connection, stream, timeout, timer: None, unread: unread.clone() };
        *request.payload() = Payload::Stream { payload: Box::pin(body) };
        unread
    }
}

#[cfg(feature = "http2")]
impl Drop for TimedBody {
    fn drop(&mut self) {
        let body = std::mem::replace(&mut self.inner, Payload::None);
        if let (Some(unread), Payload::H2 { payload }) = (self.unread.take(), body) {
            unread.leave(payload);
        }
    }
}

impl TimedBody {
    /// Tells the connection that a piece was taken, or that the body has ended.
    fn tell(&self, ended: bool) {
        match self.stream {
            #[cfg(feature = "http2")]
            Some(stream) if !ended => self.connection.take_data(stream),
            None if ended => self.connection.body_ended(),
            _ => {}
        }
    }

    /// The timeout, while it applies.
    fn timeout(&self) -> Option<Duration> {
        #[cfg(feature = "http2")]
        if self.stream.is_some_and(|stream| self.connection.has_begun_answer(stream)) {
            return None;
        }
        self.timeout
    }
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let body = &mut *self;
        let next = Pin::new(&mut body.inner).poll_next(cx);
        match &next {
            Poll::Ready(next) => {
                body.timer = None;
                body.tell(next.is_none());
                if !matches!(next, Some(Ok(_))) {
                    body.unread = None;
                }
            }
            Poll::Pending => {
                let Some(timeout) = body.timeout() else { return Poll::Pending };
                let timer = body.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
                if timer.as_mut().poll(cx).is_ready() {
                    body.unread = None;
                    let error = io::Error::new(io::ErrorKind::TimedOut, "the body makes no progress");
                    return Poll::Ready(Some(Err(PayloadError::Io(error))));
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::{super::connection::RequestName, *};
    use crate::drain::server::Drain;

    #[tokio::test]
    async fn a_body_is_awaited_until_its_end_was_read() {
        let guard = Drain::new(1).connections.register(0);
        let connection = Arc::clone(guard.connection());
        connection.begin(RequestName::GET, true, true);
        let pieces = ["one", "two"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        let inner = Payload::from(stream::iter(pieces).boxed_local());
        let mut body =
            TimedBody { inner, connection, stream: None, timeout: None, timer: None, unread: None };
        while let Some(piece) = body.next().await {
            assert!(guard.connection().awaits_body(), "after {piece:?}");
        }
        assert!(!guard.connection().awaits_body());
    }
}
