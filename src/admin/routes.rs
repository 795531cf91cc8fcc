//! The admin server's routes.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, Route, guard,
    http::{Method, header},
    web,
};

use super::{
    access::{self, Refused},
    events::{Feed, StreamEnd},
    metrics::{self, Metrics},
    page::Page,
};
use crate::{ExitHandle, drain::Connection};

/// What the routes work on.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) exit: ExitHandle,
    /// What `POST /shutdown` needs as a bearer token.
    pub(super) token: Option<String>,
    pub(super) metrics: Metrics,
    pub(super) page: Page,
    pub(super) feed: Feed,
    pub(super) stream_end: StreamEnd,
}

/// The paths that are answered to GET and HEAD.
const READ_ONLY: [&str; 6] = ["/", "/events", "/healthz", "/readyz", "/status", "/metrics"];

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
            .service(web::resource("/").route(read().to(page)))
            .service(web::resource("/events").route(read().to(events)))
            .service(web::resource("/healthz").route(read().to(healthz)))
            .service(web::resource("/readyz").route(read().to(readyz)))
            .service(web::resource("/status").route(read().to(status)))
            .app_data(web::Data::new(self.metrics.clone()))
            .service(web::resource("/metrics").route(read().to(metrics::scrape)))
            .service(web::resource("/shutdown").route(web::post().to(shutdown)));
    }
}

/// A route that answers GET and HEAD.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn page(state: web::Data<State>) -> HttpResponse {
    state.page.response()
}

async fn events(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .force_close();
    if request.method() == Method::HEAD {
        return response.finish();
    }
    let Some(events) = state.feed.events(state.exit.clone(), state.stream_end) else {
        return text(HttpResponse::ServiceUnavailable(), "starting\n");
    };
    // It ends by itself, and the last event has to be out before the process is gone.
    if let Some(connection) = request.conn_data::<Arc<Connection>>() {
        connection.outlive();
    }
    response.streaming(events)
}

async fn healthz() -> HttpResponse {
    text(HttpResponse::Ok(), "ok\n")
}

async fn readyz(state: web::Data<State>) -> HttpResponse {
    if state.exit.is_ready() {
        text(HttpResponse::Ok(), "ready\n")
    } else {
        text(HttpResponse::ServiceUnavailable(), "shutting down\n")
    }
}

async fn status(state: web::Data<State>) -> HttpResponse {
    match state.exit.status() {
        Some(status) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(status),
        None => text(HttpResponse::ServiceUnavailable(), "starting\n"),
    }
}

async fn shutdown(state: web::Data<State>, request: HttpRequest) -> HttpResponse {
    match access::allowed(&request, state.token.as_deref()) {
        Ok(()) => {
            state.exit.stop("POST /shutdown");
            text(HttpResponse::Accepted(), "shutting down\n")
        }
        Err(Refused::Token) => {
            let mut response = HttpResponse::Unauthorized();
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            text(response, "a bearer token is needed\n")
        }
        Err(Refused::Stranger(why)) => text(HttpResponse::Forbidden(), &format!("{why}\n")),
    }
}

fn text(mut response: actix_web::HttpResponseBuilder, body: &str) -> HttpResponse {
    response
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body.to_owned())
}
