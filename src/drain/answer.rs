//! Keeps a request in flight until the kernel has the last byte of its answer.

#[cfg(feature = "http2")]
use std::num::NonZeroU32;
use std::{
    error::Error,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::{ConnectionType, Response};
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    http::{
        Version,
        header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS},
    },
};
use bytes::Bytes;
use pin_project_lite::pin_project;

#[cfg(feature = "http2")]
use super::connection::Turn;
#[cfg(not(feature = "http2"))]
use super::timed_body::UnreadBody;
#[cfg(feature = "http2")]
use super::unread_body::UnreadBody;
use super::{
    connection::Connection,
    policy::{Policy, Rejection},
    streams::EndingBody,
};

/// Counts one request as in flight: from its head until its answer is flushed, or until it is dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard {
    pub(super) connection: Arc<Connection>,
    /// Its stream, on a connection that speaks HTTP/2. Each byte here costs three in the task of each stream.
    #[cfg(feature = "http2")]
    stream: Option<NonZeroU32>,
    counted: bool,
    /// The client has asked for `Connection: close`: no other request follows.
    last: bool,
    answered: bool,
    /// What its stream said last of the answer's body. While that goes on, it is not asked again.
    #[cfg(feature = "http2")]
    body_turn: Turn,
}

impl InFlightGuard {
    /// Begins a request. On HTTP/2, `stream` is the stream that carries it.
    #[inline]
    pub(super) fn new(connection: Arc<Connection>, stream: Option<u32>, counted: bool, last: bool) -> Self {
        #[cfg(not(feature = "http2"))]
        let _ = stream;
        Self {
            connection,
            #[cfg(feature = "http2")]
            stream: stream.and_then(NonZeroU32::new),
            counted,
            last,
            answered: false,
            #[cfg(feature = "http2")]
            body_turn: Turn::GoOn,
        }
    }

    #[cfg(feature = "http2")]
    #[inline]
    fn stream(&self) -> Option<u32> {
        self.stream.map(NonZeroU32::get)
    }

    /// Marks the answer as endless: an event stream or a WebSocket.
    #[inline]
    fn is_endless(&self) {
        #[cfg(feature = "http2")]
        self.connection.is_endless(self.stream());
        #[cfg(not(feature = "http2"))]
        self.connection.is_endless(None);
    }

    /// Returns whether the answer goes on. It does not when its stream was reset, or its connection is over: HTTP/1 drops
    /// what is at work on it then, HTTP/2 does not.
    #[cfg(feature = "http2")]
    #[inline]
    fn turn(&self, cx: &Context<'_>) -> Turn {
        self.stream().map_or(Turn::GoOn, |stream| self.connection.turn(stream, cx.waker()))
    }

    /// The same of the answer's body.
    #[cfg(feature = "http2")]
    #[inline]
    fn ask(&mut self, cx: &Context<'_>) -> Turn {
        if let Some(stream) = self.stream() {
            self.body_turn = self.connection.body_turn(stream, cx.waker());
        }
        self.body_turn
    }

    /// So many bytes of the body are handed on.
    #[cfg(feature = "http2")]
    #[inline]
    fn hand_on(&mut self, length: usize) {
        if let Some(stream) = self.stream() {
            self.body_turn = self.connection.hand_on_data(stream, length);
        }
    }

    /// Adds `Connection: close` if the server is closing. Records the close, whichever side asked for it.
    #[inline]
    fn close_after<B>(&self, response: &mut Response<B>) {
        if response.upgrade() {
            return;
        }
        // A head that had another answer before still has that one's version, and HTTP/1.0 would mean a close.
        response.head_mut().version = Version::HTTP_11;
        if self.connection.gate().is_closing(self.connection.shard()) {
            response.head_mut().set_connection_type(ConnectionType::Close);
        } else if !self.last && response.head().connection_type() != ConnectionType::Close {
            return;
        }
        self.connection.announce_close();
    }
}

impl Drop for InFlightGuard {
    #[inline]
    fn drop(&mut self) {
        #[cfg(feature = "http2")]
        if let Some(stream) = self.stream() {
            return self.connection.finish_stream(stream, self.answered);
        }
        if self.answered {
            self.connection.answered(self.counted);
        } else {
            self.connection.given_up(self.counted);
        }
    }
}

impl Rejection {
    pub(super) fn response<B: MessageBody + 'static>(
        &self,
        guard: InFlightGuard,
    ) -> Response<GuardedBody<B>> {
        let mut response = Response::with_body(self.status, ());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after_seconds));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response.head_mut().set_connection_type(ConnectionType::Close);
        guard.connection.announce_close();
        response.set_body(GuardedBody::new(Source::Bytes { bytes: Some(self.body.clone()) }, guard))
    }
}

pin_project! {
    /// Resolves to the application's answer, or to the rejection.
    #[derive(Debug)]
    pub struct GuardedFuture<F, B> {
        #[pin]
        answer: Answer<F>,
        policy: Option<Rc<Policy>>,
        guard: Option<InFlightGuard>,
        unread: Option<Rc<UnreadBody>>,
        body: PhantomData<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = AnswerProjection]
    enum Answer<F> {
        App { #[pin] app: F },
        Rejected,
        None,
    }
}

impl<F, B> GuardedFuture<F, B> {
    /// The application's answer.
    pub(super) fn app(
        app: F,
        policy: Rc<Policy>,
        guard: InFlightGuard,
        unread: Option<Rc<UnreadBody>>,
    ) -> Self {
        let (policy, guard) = (Some(policy), Some(guard));
        Self { answer: Answer::App { app }, policy, guard, unread, body: PhantomData }
    }

    /// The rejection.
    pub(super) fn rejected(policy: Rc<Policy>, guard: InFlightGuard, unread: Option<Rc<UnreadBody>>) -> Self {
        let (policy, guard) = (Some(policy), Some(guard));
        Self { answer: Answer::Rejected, policy, guard, unread, body: PhantomData }
    }

    /// Never resolves: the request was sent behind one whose answer says that the connection closes.
    pub(super) fn never() -> Self {
        Self { answer: Answer::None, policy: None, guard: None, unread: None, body: PhantomData }
    }

    /// No client waits for it: its stream was reset before the application was called.
    pub(super) fn unwanted(guard: InFlightGuard) -> Self {
        Self { answer: Answer::None, policy: None, guard: Some(guard), unread: None, body: PhantomData }
    }
}

/// What a stream is answered that its client has reset.
fn to_reset_stream() -> Response<BoxBody> {
    Response::new(actix_web::http::StatusCode::SERVICE_UNAVAILABLE)
}

/// The request is answered: that decides what becomes of the rest of its body.
#[inline]
fn tell<B>(unread: &mut Option<Rc<UnreadBody>>, response: &Response<B>) {
    #[cfg(feature = "http2")]
    if let Some(unread) = unread.take() {
        unread.answer(response.status());
    }
    #[cfg(not(feature = "http2"))]
    let _ = (unread, response);
}

impl<F, R, E, B> Future for GuardedFuture<F, B>
where
    F: Future<Output = Result<R, E>>,
    R: Into<Response<B>>,
    E: Into<actix_web::Error>,
    B: MessageBody + 'static,
{
    type Output = Result<Response<GuardedBody<B>>, Response<BoxBody>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = match this.answer.as_mut().project() {
            AnswerProjection::None => {
                return this.guard.take().map_or(Poll::Pending, |_| Poll::Ready(Err(to_reset_stream())));
            }
            AnswerProjection::Rejected => {
                let (Some(policy), Some(guard)) = (this.policy, this.guard.take()) else {
                    return Poll::Pending;
                };
                let response = policy.rejection.response(guard);
                tell(this.unread, &response);
                return Poll::Ready(Ok(response));
            }
            AnswerProjection::App { app } => app.poll(cx),
        };
        let Poll::Ready(result) = result else {
            let Some(guard) = &this.guard else { return Poll::Pending };
            guard.connection.waits();
            #[cfg(feature = "http2")]
            if guard.turn(cx) == Turn::Cancelled {
                this.answer.set(Answer::None);
                *this.guard = None;
                return Poll::Ready(Err(to_reset_stream()));
            }
            return Poll::Pending;
        };
        let Some(guard) = this.guard.take() else { return Poll::Pending };
        Poll::Ready(Ok(match result {
            Ok(response) => {
                let mut response: Response<B> = response.into();
                tell(this.unread, &response);
                guard.close_after(&mut response);
                let streams = this.policy.as_ref().and_then(|policy| policy.streams.as_ref());
                let ending = streams.filter(|_| guard.counted).and_then(|streams| {
                    EndingBody::of(response.head(), response.body().size(), streams).map(Box::new)
                });
                if ending.is_some() {
                    guard.is_endless();
                }
                response.map_body(|_, body| {
                    let source = match ending {
                        Some(ending) => Source::Endless { body: Box::pin(body), ending },
                        None => Source::App { body },
                    };
                    GuardedBody::new(source, guard)
                })
            }
            Err(error) => {
                let mut response: Response<BoxBody> = error.into().error_response().into();
                tell(this.unread, &response);
                guard.close_after(&mut response);
                response.map_body(|_, body| GuardedBody::new(Source::Error { body: Box::pin(body) }, guard))
            }
        }))
    }
}

pin_project! {
    /// A body that holds its request's guard: the request is in flight until its last byte.
    ///
    /// It does not forward `try_into_bytes`: a layer that boxes the body would drop the guard early.
    #[derive(Debug)]
    pub struct GuardedBody<B> {
        #[pin]
        source: Source<B>,
        guard: Option<InFlightGuard>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = SourceProjection]
    enum Source<B> {
        App { #[pin] body: B },
        // One that ends by itself when requests begin to be rejected.
        Endless { body: Pin<Box<B>>, ending: Box<EndingBody> },
        Error { body: Pin<Box<BoxBody>> },
        Bytes { bytes: Option<Bytes> },
    }
}

impl<B> GuardedBody<B> {
    fn new(source: Source<B>, mut guard: InFlightGuard) -> Self {
        // actix-http drops a body that it knows to be empty without polling it: one that is never polled is whole.
        // Should its connection fail before the first poll, the answer is never flushed, and so never counted.
        guard.answered = true;
        Self { source, guard: Some(guard) }
    }

    /// Ends the body, and drops the application's.
    #[cfg(feature = "http2")]
    fn cancel<R>(self: Pin<&mut Self>) -> Poll<Option<R>> {
        let mut this = self.project();
        this.source.set(Source::Bytes { bytes: None });
        *this.guard = None;
        Poll::Ready(None)
    }
}

impl<B: MessageBody> MessageBody for GuardedBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        match &self.source {
            Source::App { body } => body.size(),
            Source::Endless { body, .. } => body.size(),
            Source::Error { body } => body.size(),
            Source::Bytes { bytes } => BodySize::Sized(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }

    #[expect(clippy::inline_always, reason = "it is polled twice a request, from one place")]
    #[inline(always)]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.as_mut().project();
        #[cfg(feature = "http2")]
        if let Some(guard) = this.guard.as_mut().filter(|guard| guard.body_turn != Turn::GoOn) {
            match guard.ask(cx) {
                Turn::GoOn => {}
                Turn::Wait => return Poll::Pending,
                Turn::Cancelled => return self.cancel(),
            }
        }
        let next = match this.source.project() {
            SourceProjection::App { body } => {
                body.poll_next(cx).map(|next| next.map(|next| next.map_err(Into::into)))
            }
            SourceProjection::Endless { body, ending } => {
                ending.poll_next(body.as_mut(), cx).map(|next| next.map(|next| next.map_err(Into::into)))
            }
            SourceProjection::Error { body } => body.as_mut().poll_next(cx),
            SourceProjection::Bytes { bytes } => Poll::Ready(bytes.take().map(Ok)),
        };
        if let Some(guard) = this.guard {
            guard.answered = matches!(next, Poll::Ready(None));
            #[cfg(feature = "http2")]
            if let Poll::Ready(Some(Ok(piece))) = &next {
                guard.hand_on(piece.len());
            }
            if next.is_pending() {
                guard.connection.waits();
                #[cfg(feature = "http2")]
                if guard.ask(cx) == Turn::Cancelled {
                    return self.cancel();
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The task of an HTTP/2 stream holds the body three times. With 16 bytes more than the application's own it is still
    /// small enough for the allocator's quick lists.
    #[test]
    fn a_body_is_hardly_larger_than_the_applications_own() {
        assert!(size_of::<GuardedBody<BoxBody>>() <= size_of::<BoxBody>() + 2 * size_of::<usize>());
    }
}
