//! [`StreamsEnd`]: tells a server's endless answers to end; [`EndingBody`]: one of them, which does.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use actix_http::ResponseHead;
use actix_web::{
    body::{BodySize, MessageBody},
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE, UPGRADE},
    },
};
use bytes::Bytes;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    events::EventScanner,
    websocket::{GOING_AWAY, MessageScanner},
};

/// Tells a server's endless answers to end, once.
#[derive(Debug, Default)]
pub struct StreamsEnd {
    told: CancellationToken,
    grace: OnceLock<Duration>,
}

impl StreamsEnd {
    /// Tells them to end. A WebSocket's client has `grace` to answer the close frame.
    pub(crate) fn tell(&self, grace: Duration) {
        let _ = self.grace.set(grace);
        self.told.cancel();
    }

    fn grace(&self) -> Duration {
        self.grace.get().copied().unwrap_or_default()
    }
}

/// What an endless answer's body passes through.
pub(in crate::drain) struct EndingBody {
    server: Arc<StreamsEnd>,
    told: Pin<Box<WaitForCancellationFutureOwned>>,
    is_told: bool,
    kind: Kind,
}

enum Kind {
    Events(EventScanner),
    /// Nothing follows a whole event.
    Ended,
    WebSocket(MessageScanner),
    /// The close frame is to be sent.
    SendClose,
    /// The close frame is sent, the server's or the application's. What the application still sends is dropped, until it
    /// ends, as it does when it gets the client's close frame.
    AwaitClose(Pin<Box<Sleep>>),
}

impl EndingBody {
    /// Of an answer of `text/event-stream` and of a WebSocket. Nothing of other answers, and nothing of events that are
    /// compressed, whose ends cannot be seen.
    #[inline]
    pub(in crate::drain) fn of(
        head: &ResponseHead,
        size: BodySize,
        server: &Arc<StreamsEnd>,
    ) -> Option<Self> {
        // Most answers have neither.
        let may_be_endless = size == BodySize::Stream || head.status == StatusCode::SWITCHING_PROTOCOLS;
        if may_be_endless { Self::of_endless(head, size, server) } else { None }
    }

    fn of_endless(head: &ResponseHead, size: BodySize, server: &Arc<StreamsEnd>) -> Option<Self> {
        let is = |name, value: &str| {
            let given = head.headers.get(name).and_then(|given| given.to_str().ok()).unwrap_or_default();
            given.get(..value.len()).is_some_and(|start| start.eq_ignore_ascii_case(value))
        };
        let kind = if head.status == StatusCode::SWITCHING_PROTOCOLS && is(UPGRADE, "websocket") {
            Kind::WebSocket(MessageScanner::default())
        } else if size == BodySize::Stream
            && is(CONTENT_TYPE, "text/event-stream")
            && (!head.headers.contains_key(CONTENT_ENCODING) || is(CONTENT_ENCODING, "identity"))
        {
            Kind::Events(EventScanner::default())
        } else {
            return None;
        };
        let told = Box::pin(server.told.clone().cancelled_owned());
        Some(Self { server: Arc::clone(server), told, is_told: false, kind })
    }

    /// Polls the application's body, and ends it once that was told. The application comes first: it may have a last
    /// message of its own.
    pub(in crate::drain) fn poll_next<B: MessageBody>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>> {
        self.is_told = self.is_told || self.told.as_mut().poll(cx).is_ready();
        match &mut self.kind {
            Kind::Ended => Poll::Ready(None),
            Kind::Events(scanner) => match body.poll_next(cx) {
                Poll::Ready(Some(Ok(mut chunk))) => {
                    if let Some(end) = scanner.feed(&chunk).filter(|_| self.is_told) {
                        chunk.truncate(end);
                        self.kind = Kind::Ended;
                    }
                    Poll::Ready(Some(Ok(chunk)))
                }
                Poll::Pending if self.is_told && scanner.at_boundary() => Poll::Ready(None),
                other => other,
            },
            Kind::WebSocket(scanner) => match body.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(mut chunk))) => {
                    let first = scanner.feed(&chunk);
                    if self.is_told {
                        if scanner.has_closed() {
                            self.kind = self.await_close();
                        } else if let Some(end) = first {
                            chunk.truncate(end);
                            self.kind = Kind::SendClose;
                        }
                    }
                    Poll::Ready(Some(Ok(chunk)))
                }
                Poll::Pending if self.is_told && scanner.at_boundary() => {
                    self.kind = if scanner.has_closed() { self.await_close() } else { Kind::SendClose };
                    self.poll_next(body, cx)
                }
                other => other,
            },
            Kind::SendClose => {
                self.kind = self.await_close();
                Poll::Ready(Some(Ok(Bytes::from_static(&GOING_AWAY))))
            }
            Kind::AwaitClose(timeout) => loop {
                if timeout.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                match body.as_mut().poll_next(cx) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                }
            },
        }
    }

    fn await_close(&self) -> Kind {
        Kind::AwaitClose(Box::pin(sleep(self.server.grace())))
    }
}

impl std::fmt::Debug for EndingBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndingBody").field("is_told", &self.is_told).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io, pin::pin, sync::Arc};

    use actix_http::Response;
    use actix_web::body::BodyStream;
    use futures_util::{
        StreamExt,
        stream::{iter, pending},
    };

    use super::*;
    use crate::virtual_time::assert_virtual_time;

    #[tokio::test(start_paused = true)]
    async fn a_websocket_is_sent_a_close_frame_and_its_client_has_the_grace_to_answer_it() {
        let server = Arc::new(StreamsEnd::default());
        let mut response = Response::build(StatusCode::SWITCHING_PROTOCOLS);
        let response = response.insert_header((UPGRADE, "WebSocket")).finish();
        let mut ending = EndingBody::of(response.head(), BodySize::Stream, &server).expect("a WebSocket");
        let mut body = pin!(BodyStream::new(pending::<Result<Bytes, io::Error>>()));
        server.tell(Duration::from_secs(3));
        let (begun, mut sent) = (tokio::time::Instant::now(), Vec::new());
        while let Some(frame) = poll_fn(|cx| ending.poll_next(body.as_mut(), cx)).await {
            sent.push(frame.expect("no error"));
        }
        assert_eq!(sent, [&GOING_AWAY[..]]);
        assert_virtual_time(begun.elapsed(), Duration::from_secs(3));
    }

    /// The next part of an endless answer that sends `first` and then nothing, twice: before and after it is told.
    async fn before_and_after(head: &ResponseHead, first: &'static [u8]) -> [Poll<Option<Bytes>>; 2] {
        let server = Arc::new(StreamsEnd::default());
        let mut ending = EndingBody::of(head, BodySize::Stream, &server).expect("it is endless");
        let sent = iter([Ok::<_, io::Error>(Bytes::from_static(first))]).chain(pending());
        let mut body = pin!(BodyStream::new(sent));
        let mut next = async || {
            let next = poll_fn(|cx| Poll::Ready(ending.poll_next(body.as_mut(), cx))).await;
            next.map(|part| part.map(|part| part.expect("no error")))
        };
        assert_eq!(next().await, Poll::Ready(Some(Bytes::from_static(first))));
        let before = next().await;
        server.tell(Duration::from_secs(3));
        [before, next().await]
    }

    #[test]
    fn an_endless_answer_is_a_websocket_or_an_event_stream_whose_events_can_be_read() {
        let server = Arc::new(StreamsEnd::default());
        for (size, kind, encoding, is_endless) in [
            (BodySize::Stream, "text/event-stream", None, true),
            (BodySize::Stream, "text/event-stream; charset=utf-8", Some("identity"), true),
            (BodySize::Stream, "text/event-stream", Some("br"), false),
            (BodySize::Sized(10), "text/event-stream", None, false),
            (BodySize::Stream, "text/plain", None, false),
        ] {
            let mut answer = Response::build(StatusCode::OK);
            answer.insert_header((CONTENT_TYPE, kind));
            encoding.map(|encoding| answer.insert_header((CONTENT_ENCODING, encoding)));
            let found = EndingBody::of(answer.finish().head(), size, &server);
            assert_eq!(found.is_some(), is_endless, "{size:?} {kind} {encoding:?}");
        }
        for (status, protocol, is_endless) in [
            (StatusCode::SWITCHING_PROTOCOLS, "websocket", true),
            (StatusCode::SWITCHING_PROTOCOLS, "another", false),
            (StatusCode::UPGRADE_REQUIRED, "websocket", false),
        ] {
            let answer = Response::build(status).insert_header((UPGRADE, protocol)).finish();
            let found = EndingBody::of(answer.head(), BodySize::Stream, &server);
            assert_eq!(found.is_some(), is_endless, "{status} {protocol}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_sends_nothing_ends_when_it_is_told_but_in_no_event_and_no_frame() {
        let mut events = Response::build(StatusCode::OK);
        let events = events.insert_header((CONTENT_TYPE, "text/event-stream")).finish();
        let mut websocket = Response::build(StatusCode::SWITCHING_PROTOCOLS);
        let websocket = websocket.insert_header((UPGRADE, "websocket")).finish();
        let goodbye = Some(Bytes::from_static(&GOING_AWAY));
        for (head, first, after) in [
            (events.head(), &b"data: 1\n\n"[..], Poll::Ready(None)),
            (events.head(), b"data: 1\n", Poll::Pending),
            (websocket.head(), b"\x81\x01a", Poll::Ready(goodbye)),
            (websocket.head(), b"\x81\x02a", Poll::Pending),
        ] {
            assert_eq!(before_and_after(head, first).await, [Poll::Pending, after], "{first:?}");
        }
    }
}
