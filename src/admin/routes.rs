//! The admin server's routes.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpRequest, HttpResponse, Route,
    dev::{HttpServiceFactory, Url},
    error::InternalError,
    guard,
    http::{Method, Uri, header},
    middleware::DefaultHeaders,
    web,
};

use super::{
    access::{Access, Refusal},
    events::{Feed, StreamEnd},
    metrics::{self, Metrics},
    page::Page,
    peer::Peer,
    refusals::{Cause, Refusals},
    status::StatusSource,
};
use crate::{drain::Connection, exit::ExitHandle, locale::Language};

/// What the routes work on.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) exit: ExitHandle,
    pub(super) status: StatusSource,
    pub(super) access: Access,
    pub(super) refusals: Arc<Refusals>,
    pub(super) metrics: Metrics,
    pub(super) page: Page,
    pub(super) feed: Feed,
    pub(super) stream_end: StreamEnd,
    pub(super) language: Language,
}

/// The paths that are answered to GET and HEAD.
const READ_ONLY: [&str; 6] = ["/", "/events", "/healthz", "/readyz", "/status", "/metrics"];

/// A request's path as the router has it: with `%65` read as `e`.
pub(super) fn decoded(uri: &Uri) -> Cow<'_, str> {
    match uri.path() {
        path if path.contains('%') => Cow::Owned(Url::new(uri.clone()).path().to_owned()),
        path => Cow::Borrowed(path),
    }
}

/// True for requests that a server which closes last answers until it closes: the read-only routes, and
/// `POST /shutdown`, which is then a repeated one and changes nothing.
pub(super) fn is_always_answered(method: &Method, path: &str) -> bool {
    match *method {
        Method::GET | Method::HEAD => READ_ONLY.contains(&path),
        Method::POST => path == "/shutdown",
        _ => false,
    }
}

/// True for the event stream, which lasts as long as the exit: it is no request in flight, on any server.
pub(super) fn is_stream(method: &Method, path: &str) -> bool {
    *method == Method::GET && path == "/events"
}

impl State {
    /// Mounts the routes.
    pub(super) fn configure(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(web::Data::new(self.clone()))
            .service(resource("", read().to(folder)))
            .service(resource("/", read().to(page)))
            .service(resource("/events", read().to(events)))
            .service(resource("/healthz", read().to(healthz)))
            .service(resource("/readyz", read().to(readyz)))
            .service(resource("/status", read().to(status)))
            .service(resource("/metrics", read().to(scrape)))
            .service(resource("/shutdown", web::post().to(shutdown)));
    }

    /// Admits a read, or returns the answer that refuses it.
    async fn admit_read(&self, request: &HttpRequest) -> Result<(), Error> {
        match self.access.check_read(request) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refuse(request, refusal).await),
        }
    }

    /// Counts a refused request, logs it, and delays the answer to a wrong token.
    async fn refuse(&self, request: &HttpRequest, refusal: Refusal) -> Error {
        self.refusals.count(refusal.into());
        // The page first asks without the token, and that is not logged.
        let is_told = refusal != Refusal::TokenMissing || request.method() == Method::POST;
        let untold = if is_told { self.refusals.may_log(Instant::now()) } else { None };
        if let Some(untold) = untold {
            let reason = match refusal {
                Refusal::TokenWrong => self.language.admin_wrong_token(),
                refusal => refusal.reason(self.language),
            };
            let (method, path, peer) = (request.method().as_str(), request.path(), Peer::of(request));
            log::warn!(
                event = "request_refused", method = method, path = path, peer:% = peer, error = reason,
                left_out = untold;
                "{}", self.language.admin_refused(method, path, &peer, reason, untold)
            );
        }
        if refusal == Refusal::TokenWrong {
            self.hold_back(self.refusals.wrong_token_delay(Instant::now())).await;
        }
        let mut response = match refusal {
            Refusal::TokenMissing | Refusal::TokenWrong => HttpResponse::Unauthorized(),
            Refusal::NotLocal(_) | Refusal::ForeignHost => HttpResponse::Forbidden(),
        };
        if response_needs_challenge(refusal) {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        let reason = refusal.reason(Language::En);
        InternalError::from_response(reason, text(response, &format!("{reason}\n"))).into()
    }

    /// Waits, at most until draining begins.
    async fn hold_back(&self, delay: Duration) {
        tokio::select! {
            () = actix_web::rt::time::sleep(delay) => {}
            () = self.exit.streams().cancelled_owned() => {}
        }
    }
}

const fn response_needs_challenge(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::TokenMissing | Refusal::TokenWrong)
}

/// On every answer of the admin routes.
pub(super) fn common_headers() -> DefaultHeaders {
    DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

fn resource(path: &str, route: Route) -> impl HttpServiceFactory + 'static {
    web::resource(path).route(route).wrap(common_headers())
}

/// A route that answers GET and HEAD.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A scope's path without the slash at its end: the page's links are relative to its folder.
async fn folder(request: HttpRequest) -> HttpResponse {
    let last = request.path().rsplit('/').next().unwrap_or_default();
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, format!("{last}/"))).finish()
}

async fn page(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Error> {
    // Without its data, which needs the token where reads do, the page is the same for all.
    if !state.access.reads_need_token() {
        state.admit_read(&request).await?;
    }
    Ok(state.page.response())
}

async fn events(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Error> {
    state.admit_read(&request).await?;
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .force_close();
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let Some(permit) = state.feed.reserve() else {
        state.refusals.count(Cause::Streams);
        let mut response = HttpResponse::ServiceUnavailable();
        response.insert_header((header::RETRY_AFTER, "10"));
        return Ok(text(response, "too many event streams are open\n"));
    };
    let Some(events) = state.feed.events(state.exit.clone(), state.status.clone(), state.stream_end, permit)
    else {
        return Ok(text(HttpResponse::ServiceUnavailable(), "starting\n"));
    };
    // The stream ends by itself, and its last event has to be sent before the process ends.
    let outlives = state.stream_end == StreamEnd::Exited;
    if let Some(connection) = request.conn_data::<Arc<Connection>>().filter(|_| outlives) {
        connection.pin_until_exit();
    }
    Ok(response.streaming(events))
}

/// Needs no token and no known host: a load balancer's probe has neither, and it tells nothing else.
async fn healthz() -> HttpResponse {
    text(HttpResponse::Ok(), "ok\n")
}

/// The same for readiness.
async fn readyz(state: web::Data<State>) -> HttpResponse {
    if state.exit.is_ready() {
        text(HttpResponse::Ok(), "ready\n")
    } else {
        text(HttpResponse::ServiceUnavailable(), "shutting down\n")
    }
}

async fn status(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Error> {
    state.admit_read(&request).await?;
    Ok(match state.status.take().and_then(|status| status.to_json()) {
        Some(json) => HttpResponse::Ok()
            .content_type(header::ContentType::json())
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(json),
        None => text(HttpResponse::ServiceUnavailable(), "starting\n"),
    })
}

async fn scrape(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Error> {
    state.admit_read(&request).await?;
    Ok(metrics::response(&state.metrics, &request))
}

async fn shutdown(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Error> {
    if let Err(refusal) = state.access.check_shutdown(&request) {
        return Err(state.refuse(&request, refusal).await);
    }
    let reason = format!("POST /shutdown from {}", Peer::of(&request));
    log::info!(
        event = "shutdown_requested", reason = reason.as_str();
        "{}", state.language.admin_accepted(&reason)
    );
    state.exit.stop(reason);
    Ok(text(HttpResponse::Accepted(), "shutting down\n"))
}

fn text(mut response: actix_web::HttpResponseBuilder, body: &str) -> HttpResponse {
    response
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body.to_owned())
}

#[cfg(test)]
mod tests;
