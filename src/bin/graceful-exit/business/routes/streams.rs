//! Answers that last: numbered lines, events, and a WebSocket.

use std::error::Error;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::str::Utf8Error;
use std::time::Duration;

use actix_http::ws::HandshakeError;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::rt::time::sleep;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session};
use futures_util::{StreamExt, stream};

use super::frames::{self, FrameLimit};
use super::query::{BadQuery, MILLISECONDS, Query, number};
use super::state::Business;

/// How many lines a stream may have.
const LINES: RangeInclusive<u64> = 0..=1_000_000;

pub(super) async fn numbered(request: HttpRequest, query: Query) -> Result<HttpResponse, BadQuery> {
    let lines = number(&query, "n", LINES)?;
    let pause = Duration::from_millis(number(&query, "ms", MILLISECONDS)?);
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
pub(super) async fn events(request: HttpRequest, business: web::Data<Business>) -> HttpResponse {
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

/// Echoes each message, until the exit starts. HEAD is answered as GET is without an upgrade. A page of another origin is refused: browsers let it
/// open WebSockets to any host.
pub(super) async fn echo(
    request: HttpRequest,
    body: web::Payload,
    business: web::Data<Business>,
) -> Result<HttpResponse, actix_web::Error> {
    if !is_same_origin(request.headers(), request.uri()) {
        let mut refused = HttpResponse::Forbidden();
        refused.content_type("text/plain; charset=utf-8");
        return Ok(refused.body("not for pages of another origin\n"));
    }
    if request.method() == Method::HEAD {
        // No upgrade has this method.
        return Err(HandshakeError::NoWebsocketUpgrade.into());
    }
    let body = web::Payload::from_request(&request, &mut FrameLimit::limit(body.into_inner())).await?;
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let over = business.exit.streams();
    actix_web::rt::spawn(async move {
        // The exit also ends the wait for a client that does not read.
        let messages = messages.aggregate_continuations().max_continuation_size(frames::LONGEST);
        let echoing = over.run_until_cancelled(send_back(session.clone(), messages)).await;
        let reason = match echoing {
            None => Some(CloseReason::from(CloseCode::Away)),
            Some(Ok(reason)) => reason,
            Some(Err(_)) => return,
        };
        // The client may have gone.
        let _ = session.close(reason).await;
    });
    Ok(response)
}

/// Returns the client's reason when it closes, or what is wrong with what it sent.
async fn send_back(
    mut session: Session,
    mut messages: AggregatedMessageStream,
) -> Result<Option<CloseReason>, actix_ws::Closed> {
    while let Some(message) = messages.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) => return Ok(Some(reason(&error).into())),
        };
        match message {
            AggregatedMessage::Text(text) => session.text(text).await?,
            AggregatedMessage::Binary(bytes) => session.binary(bytes).await?,
            AggregatedMessage::Ping(bytes) => session.pong(&bytes).await?,
            AggregatedMessage::Pong(_) => {}
            AggregatedMessage::Close(reason) => return Ok(reason),
        }
    }
    Ok(None)
}

/// Why a message cannot be read, for its client.
fn reason(error: &ProtocolError) -> CloseCode {
    match error {
        ProtocolError::Overflow => CloseCode::Size,
        ProtocolError::Io(error)
            if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Utf8Error>) =>
        {
            CloseCode::Invalid
        }
        // A frame or a message that is too long; or the connection is lost, and the code with it.
        ProtocolError::Io(error) if error.kind() == ErrorKind::Other => CloseCode::Size,
        _ => CloseCode::Protocol,
    }
}

/// True if there is no `Origin`, or it is the host that the request went to. Programs send none,
/// browsers always do.
fn is_same_origin(headers: &HeaderMap, target: &Uri) -> bool {
    let mut origins = headers.get_all(header::ORIGIN);
    let Some(origin) = origins.next() else { return true };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let host = host.or_else(|| target.authority().map(|authority| authority.as_str().as_bytes()));
    let authority =
        [&b"http://"[..], b"https://"].iter().find_map(|scheme| origin.as_bytes().strip_prefix(*scheme));
    let is_same = matches!((host, authority), (Some(host), Some(of)) if host.eq_ignore_ascii_case(of));
    is_same && origins.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(headers: &[(header::HeaderName, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_static(value));
        }
        is_same_origin(&map, &Uri::from_static("/ws"))
    }

    #[test]
    fn a_page_of_another_origin_is_told_from_our_own_and_from_a_program() {
        use header::{HOST, ORIGIN};
        assert!(same(&[(HOST, "shop.example")]));
        assert!(same(&[(HOST, "shop.example"), (ORIGIN, "https://shop.example")]));
        assert!(same(&[(HOST, "127.0.0.1:8080"), (ORIGIN, "http://127.0.0.1:8080")]));
        assert!(same(&[(HOST, "Shop.example"), (ORIGIN, "http://shop.EXAMPLE")]));
        for origin in [
            "https://evil.example",
            "http://shop.example.evil.example",
            "http://shop.example:81",
            "http://me@shop.example",
            "file://shop.example",
            "null",
            "shop.example",
            "",
        ] {
            assert!(!same(&[(HOST, "shop.example"), (ORIGIN, origin)]), "{origin}");
        }
        assert!(!same(&[(HOST, "a"), (ORIGIN, "http://a"), (ORIGIN, "http://b")]));
        assert!(!same(&[(ORIGIN, "http://a")]));
    }
}
