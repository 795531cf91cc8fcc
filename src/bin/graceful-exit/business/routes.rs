//! The business server's routes.

use std::{collections::HashMap, ops::RangeInclusive, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, Route, guard,
    http::{Method, header},
    rt::time::sleep,
    web,
};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason};
use futures_util::{StreamExt, stream};
use graceful_exit::ExitHandle;

use super::cache::{Cache, PutError};

/// What the routes work on.
#[derive(Clone, Debug)]
pub(crate) struct Business {
    pub(crate) cache: Cache,
    pub(crate) exit: ExitHandle,
    pub(crate) chaos: bool,
}

/// The largest value that the cache takes, in bytes.
const LARGEST_VALUE: usize = 256 * 1024;
/// The longest that a request may ask to take, in milliseconds.
const LONGEST: RangeInclusive<u64> = 0..=600_000;
/// How many lines a stream may have.
const LINES: RangeInclusive<u64> = 0..=1_000_000;

impl Business {
    /// Mounts the routes.
    pub(crate) fn configure(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(web::Data::new(self.clone()))
            .app_data(web::PayloadConfig::new(LARGEST_VALUE))
            .service(web::resource("/").route(read().to(index)))
            .service(web::resource("/slow").route(read().to(slow)))
            .service(web::resource("/stream").route(read().to(numbered)))
            .service(web::resource("/events").route(read().to(events)))
            .service(web::resource("/ws").route(read().to(echo)))
            .service(web::resource("/cache/{key}").route(read().to(get)).route(web::put().to(put)));
        if self.chaos {
            config
                .service(web::resource("/chaos/block").route(read().to(block)))
                .service(web::resource("/chaos/panic").route(read().to(panic)));
        }
    }
}

/// A route that answers GET and HEAD.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

type Query = web::Query<HashMap<String, String>>;

async fn index() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("graceful-exit: the business server\n")
}

async fn slow(query: Query) -> Result<HttpResponse, BadQuery> {
    let ms = number(&query, "ms", LONGEST)?;
    sleep(Duration::from_millis(ms)).await;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("done"))
}

async fn numbered(request: HttpRequest, query: Query) -> Result<HttpResponse, BadQuery> {
    let lines = number(&query, "n", LINES)?;
    let pause = Duration::from_millis(number(&query, "ms", LONGEST)?);
    let mut response = HttpResponse::Ok();
    response.content_type("text/plain; charset=utf-8");
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    Ok(response.streaming(stream::iter(1..=lines).then(move |line| async move {
        if !pause.is_zero() {
            sleep(pause).await;
        }
        Ok::<_, actix_web::Error>(web::Bytes::from(format!("{line}\n")))
    })))
}

/// One event a second, until the exit starts.
async fn events(request: HttpRequest, business: web::Data<Business>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream").insert_header((header::CACHE_CONTROL, "no-cache"));
    if request.method() == Method::HEAD {
        return response.finish();
    }
    let over = business.exit.streams();
    response.streaming(stream::unfold(Some(0_u64), move |count| {
        let over = over.clone();
        async move {
            let count = count?;
            let (event, next) = tokio::select! {
                biased;
                () = over.cancelled() => ("event: bye\ndata: shutting down\n\n".to_owned(), None),
                () = sleep(Duration::from_secs(u64::from(count > 0))) => {
                    (format!("id: {count}\ndata: {count}\n\n"), Some(count + 1))
                }
            };
            Some((Ok::<_, actix_web::Error>(web::Bytes::from(event)), next))
        }
    }))
}

/// Sends back what it is sent, until the exit starts.
async fn echo(
    request: HttpRequest,
    body: web::Payload,
    business: web::Data<Business>,
) -> Result<HttpResponse, actix_web::Error> {
    let (response, mut session, messages) = actix_ws::handle(&request, body)?;
    let over = business.exit.streams();
    actix_web::rt::spawn(async move {
        let mut messages = messages.aggregate_continuations();
        let reason = loop {
            let message = tokio::select! {
                biased;
                () = over.cancelled() => break Some(CloseReason::from(CloseCode::Away)),
                message = messages.next() => message,
            };
            let sent = match message {
                Some(Ok(AggregatedMessage::Text(text))) => session.text(text).await,
                Some(Ok(AggregatedMessage::Binary(bytes))) => session.binary(bytes).await,
                Some(Ok(AggregatedMessage::Ping(bytes))) => session.pong(&bytes).await,
                Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
                Some(Ok(AggregatedMessage::Close(reason))) => break reason,
                Some(Err(_)) | None => break None,
            };
            if sent.is_err() {
                return;
            }
        };
        // A client that is gone needs no goodbye.
        let _ = session.close(reason).await;
    });
    Ok(response)
}

async fn get(business: web::Data<Business>, key: web::Path<String>) -> HttpResponse {
    match business.cache.get(&key).await {
        Ok(Some(value)) => HttpResponse::Ok().content_type("application/octet-stream").body(value),
        Ok(None) => HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("no such key\n"),
        Err(error) => {
            log::error!("GET /cache/{key}: {error}");
            HttpResponse::ServiceUnavailable()
                .content_type("text/plain; charset=utf-8")
                .body("the store cannot be read\n")
        }
    }
}

async fn put(business: web::Data<Business>, key: web::Path<String>, value: web::Bytes) -> HttpResponse {
    match business.cache.put(key.into_inner(), &value) {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error @ PutError::Key) => {
            HttpResponse::BadRequest().content_type("text/plain; charset=utf-8").body(format!("{error}\n"))
        }
        Err(closed @ PutError::Closed) => HttpResponse::ServiceUnavailable()
            .content_type("text/plain; charset=utf-8")
            .insert_header((header::RETRY_AFTER, "1"))
            .body(format!("{closed}\n")),
    }
}

/// Blocks the worker's thread, as a handler must not.
async fn block(query: Query) -> Result<HttpResponse, BadQuery> {
    let ms = number(&query, "ms", LONGEST)?;
    std::thread::sleep(Duration::from_millis(ms));
    Ok(HttpResponse::Ok().body("blocked\n"))
}

async fn panic() -> HttpResponse {
    panic!("/chaos/panic was asked for")
}

/// A query that cannot be served: 400 with the reason.
#[derive(Debug)]
struct BadQuery(String);

impl std::fmt::Display for BadQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl actix_web::ResponseError for BadQuery {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::BadRequest().content_type("text/plain; charset=utf-8").body(format!("{}\n", self.0))
    }
}

fn number(query: &Query, name: &str, allowed: RangeInclusive<u64>) -> Result<u64, BadQuery> {
    let (least, most) = (allowed.start(), allowed.end());
    let Some(text) = query.get(name) else {
        return Err(BadQuery(format!("`{name}` is missing: a whole number from {least} to {most}")));
    };
    match text.parse() {
        Ok(number) if allowed.contains(&number) => Ok(number),
        Ok(_) | Err(_) => {
            Err(BadQuery(format!("`{name}` is a whole number from {least} to {most}, not `{text}`")))
        }
    }
}
