//! The layer around an application: outermost by construction, since it stands where actix-http calls the `App`
//! itself, outside of everything that `App::wrap` can add.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::{ConnectionType, Request, RequestHead, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::AppConfig,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    },
};
use bytes::Bytes;
use futures_core::future::LocalBoxFuture;
use pin_project_lite::pin_project;

use super::{
    connection::Connection,
    gate::Gate,
    streams::{EndingBody, StreamsEnd},
};

/// What a server answers when it is draining.
#[derive(Clone)]
pub struct Policy {
    /// The answer to a request that comes too late.
    pub rejection: Rejection,
    /// Requests for which this says yes are answered to the end: they are neither rejected nor waited for.
    pub always_answer: Option<AlwaysAnswer>,
    /// Tells endless answers to end; without it they are left to the application.
    pub streams: Option<Arc<StreamsEnd>>,
}

/// Says of a request's head whether it is always answered.
pub type AlwaysAnswer = Arc<dyn Fn(&RequestHead) -> bool + Send + Sync>;

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("rejection", &self.rejection).finish_non_exhaustive()
    }
}

/// The answer to a request that comes too late. `Connection: close` is always added.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// By default 503 (Service Unavailable).
    pub status: StatusCode,
    /// Plain text, in UTF-8.
    pub body: Bytes,
    /// `Retry-After`, in whole seconds.
    pub retry_after_seconds: u64,
}

impl Default for Rejection {
    fn default() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            body: Bytes::from_static(b"shutting down, try another instance\n"),
            retry_after_seconds: 1,
        }
    }
}

impl Rejection {
    fn response<B: MessageBody + 'static>(&self, guard: Option<InFlightGuard>) -> Response<GuardedBody<B>> {
        let mut response = Response::with_body(self.status, ());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after_seconds));
        close_after(&mut response, guard.as_ref());
        response.set_body(GuardedBody::new(None, Some(self.body.clone()), guard))
    }
}

/// Makes a [`Guarded`] of an application's service.
pub struct GuardedFactory<S, B> {
    inner: S,
    gate: Arc<Gate>,
    shard: usize,
    policy: Policy,
    body: PhantomData<B>,
}

impl<S, B> GuardedFactory<S, B>
where
    S: ServiceFactory<Request, Config = AppConfig>,
{
    /// Around an application, on a worker's shard.
    pub fn new(
        app: impl IntoServiceFactory<S, Request>,
        gate: Arc<Gate>,
        shard: usize,
        policy: Policy,
    ) -> Self {
        Self { inner: app.into_factory(), gate, shard, policy, body: PhantomData }
    }
}

impl<S, B> ServiceFactory<Request> for GuardedFactory<S, B>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Response: Into<Response<B>>,
    S::Error: Into<actix_web::Error>,
    B: MessageBody + 'static,
{
    type Response = Response<GuardedBody<B>>;
    type Error = Response<BoxBody>;
    type Config = AppConfig;
    type Service = Guarded<S::Service, B>;
    type InitError = S::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, Self::InitError>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let inner = self.inner.new_service(config);
        let (gate, shard, policy) = (Arc::clone(&self.gate), self.shard, Rc::new(self.policy.clone()));
        Box::pin(async move { Ok(Guarded { inner: inner.await?, gate, shard, policy, body: PhantomData }) })
    }
}

/// An application behind the gate.
#[derive(Debug)]
pub struct Guarded<S, B> {
    inner: S,
    gate: Arc<Gate>,
    shard: usize,
    policy: Rc<Policy>,
    body: PhantomData<B>,
}

impl<S, B> Service<Request> for Guarded<S, B>
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    S::Error: Into<actix_web::Error>,
    B: MessageBody + 'static,
{
    type Response = Response<GuardedBody<B>>;
    type Error = Response<BoxBody>;
    type Future = GuardedFuture<S::Future, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(|error| error.into().error_response().into())
    }

    fn call(&self, request: Request) -> Self::Future {
        let head = request.head();
        let counted = !self.policy.always_answer.as_ref().is_some_and(|always| always(head));
        let admitted = !counted || self.gate.admit(self.shard).is_ok();
        let connection = request.conn_data::<Arc<Connection>>().cloned();
        let connection = connection
            .unwrap_or_else(|| Arc::new(Connection::unregistered(Arc::clone(&self.gate), self.shard)));
        let stream = connection.begin(&head.method, head.uri.path(), counted && admitted);
        #[cfg(not(feature = "http2"))]
        let _ = stream;
        let guard = InFlightGuard {
            connection,
            #[cfg(feature = "http2")]
            stream,
            counted: counted && admitted,
            answered: false,
        };
        if admitted {
            GuardedFuture {
                app: Some(self.inner.call(request)),
                policy: Rc::clone(&self.policy),
                guard: Some(guard),
                body: PhantomData,
            }
        } else {
            let policy = Rc::clone(&self.policy);
            GuardedFuture { app: None, policy, guard: Some(guard), body: PhantomData }
        }
    }
}

/// A request's stay behind the gate: from its head to its last byte, or to its being dropped.
#[derive(Debug)]
struct InFlightGuard {
    connection: Arc<Connection>,
    /// Its stream, on a connection that speaks HTTP/2.
    #[cfg(feature = "http2")]
    stream: Option<u32>,
    counted: bool,
    answered: bool,
}

impl InFlightGuard {
    fn is_closing(&self) -> bool {
        self.connection.gate().is_closing(self.connection.shard())
    }

    /// The answer has no end of its own.
    fn is_endless(&self) {
        #[cfg(feature = "http2")]
        self.connection.is_endless(self.stream);
        #[cfg(not(feature = "http2"))]
        self.connection.is_endless(None);
    }

    /// Returns true if nothing can be done any more with the answer: its stream was reset, or its connection is over.
    /// HTTP/1 drops what is at work on it then; HTTP/2 does not.
    fn is_cancelled(&self, cx: &Context<'_>) -> bool {
        #[cfg(feature = "http2")]
        if let Some(stream) = self.stream {
            return self.connection.is_cancelled(stream, cx.waker());
        }
        let _ = cx;
        false
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        #[cfg(feature = "http2")]
        if let Some(stream) = self.stream {
            return self.connection.finish_stream(stream, self.answered);
        }
        if self.answered {
            self.connection.answered(self.counted);
        } else {
            self.connection.given_up(self.counted);
        }
    }
}

pin_project! {
    /// An answer in the making: the application's, or, without one, the rejection.
    #[derive(Debug)]
    pub struct GuardedFuture<F, B> {
        #[pin]
        app: Option<F>,
        policy: Rc<Policy>,
        guard: Option<InFlightGuard>,
        body: PhantomData<B>,
    }
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
        if this.guard.as_ref().is_some_and(|guard| guard.is_cancelled(cx)) {
            this.app.set(None);
            *this.guard = None;
            return Poll::Ready(Err(Response::new(StatusCode::SERVICE_UNAVAILABLE)));
        }
        let Some(app) = this.app.as_pin_mut() else {
            return Poll::Ready(Ok(this.policy.rejection.response(this.guard.take())));
        };
        let Poll::Ready(result) = app.poll(cx) else {
            if let Some(guard) = this.guard {
                guard.connection.waits();
            }
            return Poll::Pending;
        };
        let mut guard = this.guard.take();
        let closing = guard.as_ref().is_some_and(InFlightGuard::is_closing);
        Poll::Ready(match result {
            Ok(response) => {
                let mut response: Response<B> = response.into();
                if closing && !response.upgrade() {
                    close_after(&mut response, guard.as_ref());
                }
                let ending = match (&guard, &this.policy.streams) {
                    (Some(guard), Some(streams)) if guard.counted => {
                        EndingBody::of(response.head(), response.body().size(), streams)
                    }
                    _ => None,
                };
                if let Some(guard) = &guard
                    && ending.is_some()
                {
                    guard.is_endless();
                }
                let ending = ending.map(Box::new);
                Ok(response
                    .map_body(|_, body| GuardedBody { ending, ..GuardedBody::new(Some(body), None, guard) }))
            }
            Err(error) => {
                let mut response: Response<BoxBody> = error.into().error_response().into();
                if closing {
                    close_after(&mut response, guard.as_ref());
                }
                if let Some(guard) = &mut guard {
                    guard.answered = true;
                }
                Err(response)
            }
        })
    }
}

/// Has the connection close after this answer, and its record know.
fn close_after<B>(response: &mut Response<B>, guard: Option<&InFlightGuard>) {
    response.head_mut().set_connection_type(ConnectionType::Close);
    if let Some(guard) = guard {
        guard.connection.announce_close();
    }
}

pin_project! {
    /// A body that holds its request's guard: the request is in flight until its last byte.
    ///
    /// It does not forward `try_into_bytes`: a layer that boxes the body would drop the guard early.
    #[derive(Debug)]
    pub struct GuardedBody<B> {
        // The application's; without it, the rejection's.
        #[pin]
        app: Option<B>,
        rejection: Option<Bytes>,
        // Of an answer that ends by itself when requests begin to be rejected.
        ending: Option<Box<EndingBody>>,
        guard: Option<InFlightGuard>,
    }
}

impl<B> GuardedBody<B> {
    fn new(app: Option<B>, rejection: Option<Bytes>, mut guard: Option<InFlightGuard>) -> Self {
        // actix-http drops a body that it knows to be empty without polling it: one that is never polled is whole.
        // Should its connection fail before the first poll, the answer is never flushed, and so never counted.
        if let Some(guard) = &mut guard {
            guard.answered = true;
        }
        Self { app, rejection, ending: None, guard }
    }
}

impl<B: MessageBody> MessageBody for GuardedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        match &self.app {
            Some(body) => body.size(),
            None => BodySize::Sized(self.rejection.as_ref().map_or(0, |body| body.len() as u64)),
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let mut this = self.project();
        if this.guard.as_ref().is_some_and(|guard| guard.is_cancelled(cx)) {
            this.app.set(None);
            *this.guard = None;
            return Poll::Ready(None);
        }
        let next = match this.app.as_pin_mut() {
            Some(body) => match this.ending {
                Some(ending) => ending.poll_next(body, cx),
                None => body.poll_next(cx),
            },
            None => Poll::Ready(this.rejection.take().map(Ok)),
        };
        if let Some(guard) = this.guard {
            guard.answered = matches!(next, Poll::Ready(None));
            if next.is_pending() {
                guard.connection.waits();
            }
        }
        next
    }
}
