//! A layer that does nothing, in place of the gate.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use actix_http::Request;
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::dev::AppConfig;

/// A layer that passes everything through without touching the body, in place of the gate.
pub(crate) fn nothing<S>(app: impl IntoServiceFactory<S, Request>) -> NothingFactory<S>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
{
    NothingFactory(app.into_factory())
}

pub(crate) struct NothingFactory<S>(S);

impl<S> ServiceFactory<Request> for NothingFactory<S>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Config = AppConfig;
    type Service = Nothing<S::Service>;
    type InitError = S::InitError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Service, Self::InitError>>>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let app = self.0.new_service(config);
        Box::pin(async move { Ok(Nothing(app.await?)) })
    }
}

pub(crate) struct Nothing<S>(S);

impl<S: Service<Request>> Service<Request> for Nothing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = NothingFuture<S::Future>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&self, request: Request) -> Self::Future {
        NothingFuture { app: self.0.call(request) }
    }
}

pin_project_lite::pin_project! {
    pub(crate) struct NothingFuture<F> {
        #[pin]
        app: F,
    }
}

impl<F: Future> Future for NothingFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().app.poll(cx)
    }
}
