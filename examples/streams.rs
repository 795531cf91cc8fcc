//! Streams without an end: server-sent events and WebSockets. Both end by themselves at the exit.
//!
//! `cargo run --example streams`, `curl -N localhost:8080/events` or a WebSocket to `ws://localhost:8080/ws`, then Ctrl-C:
//! the events end after a whole event, the WebSocket is sent close 1001, and the exit waits for neither.
//!
//! For a last message of the application's own, say `Server::streams(Streams::Wait)` and await
//! `ExitHandle::streams().cancelled()` in the stream.

use std::{convert::Infallible, env, time::Duration};

use actix_web::{App, HttpRequest, HttpResponse, web};
use futures_util::{StreamExt, stream};
use graceful_exit::{GracefulExit, Server, StartError};

async fn events() -> HttpResponse {
    let events = stream::unfold(0_u64, |number| async move {
        actix_web::rt::time::sleep(Duration::from_millis(100)).await;
        let event = web::Bytes::from(format!("data: {number}\n\n"));
        Some((Ok::<_, Infallible>(event), number + 1))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(events)
}

async fn echo(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let sent = match message {
                actix_ws::Message::Text(text) => session.text(text).await,
                actix_ws::Message::Ping(bytes) => session.pong(&bytes).await,
                _ => Ok(()),
            };
            if sent.is_err() {
                break;
            }
        }
    });
    Ok(response)
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let app = || App::new().route("/events", web::get().to(events)).route("/ws", web::get().to(echo));
    GracefulExit::builder().server(Server::new("web", app).bind(address)).run().await?.exit()
}
