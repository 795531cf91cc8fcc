//! The admin server's routes.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use graceful_exit::{ExitHandle, Stop, drain::Connection};

use super::{
    Metrics,
    access::{self, Refused},
    events::Feed,
    metrics,
    page::Page,
};
use crate::business::read;

/// What the routes work on.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) exit: ExitHandle,
    /// What `POST /shutdown` needs as a bearer token.
    pub(crate) token: Option<String>,
    pub(crate) metrics: Metrics,
    /// When its server closes: `/events` ends then.
    pub(crate) stop: Stop,
    pub(crate) page: Page,
    pub(crate) feed: Feed,
}

/// The paths that are answered to GET and HEAD for as long as the server listens.
const READ_ONLY: &[&str] = &["/", "/events", "/healthz", "/readyz", "/status", "/metrics"];

/// Whether a request is answered even while draining, on a server that closes last: the read-only routes, and
/// `POST /shutdown`, which is then a repeated one and changes nothing.
pub(crate) fn is_read_only(method: &Method, path: &str) -> bool {
    match *method {
        Method::GET | Method::HEAD => READ_ONLY.contains(&path),
        Method::POST => path == "/shutdown",
        _ => false,
    }
}

/// Whether a request's answer ends with the exit alone: it is no request in flight, on any server.
pub(crate) fn is_stream(method: &Method, path: &str) -> bool {
    *method == Method::GET && path == "/events"
}

impl Admin {
    /// Mounts the routes.
    pub(crate) fn configure(&self, config: &mut web::ServiceConfig) {
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

async fn page(admin: web::Data<Admin>) -> HttpResponse {
    admin.page.response()
}

async fn events(request: HttpRequest, admin: web::Data<Admin>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .force_close();
    if request.method() == Method::HEAD {
        return response.finish();
    }
    let goes_on: fn(&str) -> bool = match admin.stop {
        Stop::First => |phase| matches!(phase, "running" | "ready_delay" | "drain"),
        Stop::Last => |phase| phase != "exited",
    };
    let Some(events) = admin.feed.events(admin.exit.clone(), goes_on) else {
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

async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    if admin.exit.is_ready() {
        text(HttpResponse::Ok(), "ready\n")
    } else {
        text(HttpResponse::ServiceUnavailable(), "shutting down\n")
    }
}

async fn status(admin: web::Data<Admin>) -> HttpResponse {
    match admin.exit.status() {
        Some(status) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(status),
        None => text(HttpResponse::ServiceUnavailable(), "starting\n"),
    }
}

async fn shutdown(admin: web::Data<Admin>, request: HttpRequest) -> HttpResponse {
    match access::allowed(&request, admin.token.as_deref()) {
        Ok(()) => {
            admin.exit.stop("POST /shutdown");
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
