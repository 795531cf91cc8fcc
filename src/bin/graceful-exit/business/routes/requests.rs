//! Requests with one short answer: fast, slow, and harmful ones.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::rt::time::sleep;

use super::query::{BadQuery, MILLISECONDS, Query, number};

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) async fn index() -> HttpResponse {
    HttpResponse::Ok().content_type(TEXT).body("graceful-exit: the business server\n")
}

/// Answers after the time that is asked for, without holding a thread.
pub(super) async fn slow(query: Query) -> Result<HttpResponse, BadQuery> {
    let ms = number(&query, "ms", MILLISECONDS)?;
    sleep(Duration::from_millis(ms)).await;
    Ok(HttpResponse::Ok().content_type(TEXT).body("done"))
}

/// Blocks the worker's thread, as a handler must not.
pub(super) async fn block(query: Query) -> Result<HttpResponse, BadQuery> {
    let ms = number(&query, "ms", MILLISECONDS)?;
    std::thread::sleep(Duration::from_millis(ms));
    Ok(HttpResponse::Ok().content_type(TEXT).body("blocked\n"))
}

pub(super) async fn panic() -> HttpResponse {
    panic!("/chaos/panic was asked for")
}
