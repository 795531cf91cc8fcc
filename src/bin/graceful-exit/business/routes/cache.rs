//! `GET` and `PUT /cache/{key}`.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use percent_encoding::percent_decode_str;

use super::state::Business;
use crate::business::cache::PutError;

/// How many seconds after a refused write the client may try again.
const RETRY_AFTER: &str = "1";

pub(super) async fn get(request: HttpRequest, business: web::Data<Business>) -> HttpResponse {
    let Some(key) = key(&request) else { return not_utf8() };
    match business.cache.get(&key).await {
        Ok(Some(value)) => HttpResponse::Ok().content_type("application/octet-stream").body(value),
        Ok(None) => text(HttpResponse::NotFound(), "no such key"),
        Err(error) => {
            // A client can cause any number of these: without the key they are alike, and the log leaves out repeated ones.
            log::warn!(
                event = "cache_read_failed", error:% = error;
                "GET /cache: the store cannot be read: {error}"
            );
            text(HttpResponse::ServiceUnavailable(), "the store cannot be read")
        }
    }
}

pub(super) async fn put(
    request: HttpRequest,
    business: web::Data<Business>,
    value: web::Bytes,
) -> HttpResponse {
    let Some(key) = key(&request) else { return not_utf8() };
    match business.cache.put(key, &value).await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error @ PutError::Key) => text(HttpResponse::BadRequest(), &error.to_string()),
        Err(error) => {
            let mut response = HttpResponse::ServiceUnavailable();
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
            text(response, &error.to_string())
        }
    }
}

/// The key in the path; none if it is not UTF-8. actix-web replaces invalid characters when it
/// decodes a path, so two keys could become one.
fn key(request: &HttpRequest) -> Option<String> {
    let segment = request.uri().path().rsplit('/').next()?;
    percent_decode_str(segment).decode_utf8().ok().map(String::from)
}

fn not_utf8() -> HttpResponse {
    text(HttpResponse::BadRequest(), "a key is UTF-8")
}

fn text(mut response: HttpResponseBuilder, line: &str) -> HttpResponse {
    response.content_type("text/plain; charset=utf-8").body(format!("{line}\n"))
}
