//! The layer around an application. actix-http calls it in place of the `App`, so it is outside of every layer that
//! `App::wrap` can add.

use std::{
    marker::PhantomData,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::{ConnectionType, Payload, Request, RequestHead, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::{
    body::{BoxBody, MessageBody},
    dev::AppConfig,
    http::Version,
};
use futures_core::future::LocalBoxFuture;

use super::{
    answer::{GuardedBody, GuardedFuture, InFlightGuard},
    connection::{Connection, RequestName},
    gate::Gate,
    policy::Policy,
    timed_body::TimedBody,
};

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
    /// Wraps an application. Its requests are counted in the worker's shard of the gate.
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

    fn call(&self, mut request: Request) -> Self::Future {
        let connection = connection_of(&request, &self.gate, self.shard);
        let has_body = matches!(request.payload(), Payload::H1 { .. });
        let head = request.head();
        let http1 = head.version < Version::HTTP_2;
        // On HTTP/2 it is the connection that ends, not its last answer that says so.
        if http1 && connection.has_had_last_answer() {
            return GuardedFuture::never();
        }
        let counted = !self.policy.always_answers(head);
        let admitted = !counted || self.gate.admit(self.shard).is_ok();
        let counted = counted && admitted;
        let called = connection.begin(RequestName::of(head), counted, has_body);
        let stream = called.map(|called| called.stream);
        let last = http1 && head.connection_type() == ConnectionType::Close;
        let guard = InFlightGuard::new(connection, stream, counted, last);
        if called.is_some_and(|called| !called.is_wanted) {
            return GuardedFuture::unwanted(guard);
        }
        let has_body = has_body || called.is_some_and(|called| called.has_body);
        let unread = if has_body && !head.upgrade() {
            TimedBody::wrap(&mut request, self.policy.body_timeout, &guard.connection, stream)
        } else {
            None
        };
        if !admitted {
            return GuardedFuture::rejected(Rc::clone(&self.policy), guard, unread);
        }
        GuardedFuture::app(self.inner.call(request), Rc::clone(&self.policy), guard, unread)
    }
}

/// The record of a request's connection.
#[inline]
fn connection_of(request: &Request, gate: &Arc<Gate>, shard: usize) -> Arc<Connection> {
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    connection.unwrap_or_else(|| Arc::new(Connection::unregistered(Arc::clone(gate), shard)))
}

/// What answers `Expect: 100-continue`: a request that is going to be rejected gets its rejection, and is not asked for
/// its body.
#[derive(Clone, Debug)]
pub struct ExpectGuard {
    gate: Arc<Gate>,
    shard: usize,
    policy: Policy,
}

impl ExpectGuard {
    /// For the requests of one worker.
    #[must_use]
    pub fn new(gate: Arc<Gate>, shard: usize, policy: Policy) -> Self {
        Self { gate, shard, policy }
    }

    /// Passes a request on that may send its body.
    ///
    /// # Errors
    /// The rejection.
    pub fn check(&self, request: Request) -> Result<Request, Response<BoxBody>> {
        let head: &RequestHead = request.head();
        if self.policy.always_answers(head) || !self.gate.turn_away(self.shard) {
            return Ok(request);
        }
        let connection = connection_of(&request, &self.gate, self.shard);
        let called = connection.begin(RequestName::of(head), false, true);
        let stream = called.map(|called| called.stream);
        let guard = InFlightGuard::new(connection, stream, false, true);
        Err(self.policy.rejection.response::<BoxBody>(guard).map_into_boxed_body())
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::Ready};

    use actix_http::h1;
    use actix_web::http::header::{CONNECTION, HeaderValue};

    use super::{super::policy::Rejection, *};

    /// Never ready. Keeps whether the last request's body came to it as it was.
    #[derive(Default)]
    struct Inner(Rc<Cell<bool>>);

    impl Service<Request> for Inner {
        type Response = Response<BoxBody>;
        type Error = actix_web::Error;
        type Future = Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Pending
        }

        fn call(&self, mut request: Request) -> Self::Future {
            self.0.set(matches!(request.payload(), Payload::H1 { .. }));
            std::future::ready(Ok(Response::ok()))
        }
    }

    fn guarded() -> (Rc<Cell<bool>>, Guarded<Inner, BoxBody>) {
        let body_timeout = Some(std::time::Duration::from_secs(5));
        let policy =
            Policy { rejection: Rejection::default(), always_answer: None, body_timeout, streams: None };
        let inner = Inner::default();
        let as_it_was = Rc::clone(&inner.0);
        let gate = Arc::new(Gate::new(1));
        (as_it_was, Guarded { inner, gate, shard: 0, policy: Rc::new(policy), body: PhantomData })
    }

    #[test]
    fn it_is_ready_when_the_application_is() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(guarded().1.poll_ready(&mut cx).is_pending());
    }

    #[test]
    fn a_body_has_a_time_limit_and_what_follows_an_upgrade_has_none() {
        for (connection, is_as_it_was) in [("keep-alive", false), ("upgrade", true)] {
            let (as_it_was, guarded) = guarded();
            let mut request = Request::with_payload(Payload::H1 { payload: h1::Payload::create(true).1 });
            request.head_mut().headers_mut().insert(CONNECTION, HeaderValue::from_static(connection));
            drop(guarded.call(request));
            assert_eq!(as_it_was.get(), is_as_it_was, "{connection}");
        }
    }
}
