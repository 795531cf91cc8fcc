//! Long streams in both directions, as gRPC has them, and what becomes of them at the exit.

use std::{convert::Infallible, time::Duration};

use actix_web::{App, HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use graceful_exit::{GracefulExit, Outcome, Server, Streams};
use h2::{RecvStream, SendStream, client};
use http::{HeaderMap, HeaderValue, Request, header::HeaderName};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::support::InProcess;

const REQUEST_TIMEOUT: Duration = Duration::from_millis(50);
const PAST_REQUEST_TIMEOUT: Duration = Duration::from_millis(150);

/// Sends back what comes, until its client ends or `until` is cancelled.
fn echo(body: web::Payload, until: CancellationToken) -> HttpResponse {
    let replies = stream::unfold((body, until), |(mut body, until)| async move {
        tokio::select! {
            biased;
            piece = body.next() => Some((Ok::<_, Infallible>(piece?.ok()?), (body, until))),
            () = until.cancelled() => None,
        }
    });
    HttpResponse::Ok()
        .content_type("application/grpc")
        .streaming(Box::pin(replies) as std::pin::Pin<Box<dyn Stream<Item = _>>>)
}

/// `/told` ends when the streams are told to, `/kept` when its client does.
fn service() -> InProcess {
    let exit = GracefulExit::for_tests();
    let streams = exit.handle().streams();
    let web = Server::new("web", move || {
        let streams = streams.clone();
        App::new()
            .route(
                "/told",
                web::post().to(move |body: web::Payload| std::future::ready(echo(body, streams.clone()))),
            )
            .route(
                "/kept",
                web::post().to(|body: web::Payload| async { echo(body, CancellationToken::new()) }),
            )
    });
    let web = web.workers(1).streams(Streams::Wait).client_request_timeout(REQUEST_TIMEOUT);
    InProcess::start(exit.server(web.bind_auto_h2c("127.0.0.1:0")))
}

/// One stream: what is said, and what is answered.
struct Call {
    say: SendStream<Bytes>,
    answer: RecvStream,
}

impl Call {
    async fn open(client: &client::SendRequest<Bytes>, path: &str) -> Self {
        let mut client = client.clone().ready().await.expect("it is open");
        let request = Request::post(format!("http://localhost{path}")).body(()).expect("a request");
        let (answer, say) = client.send_request(request, false).expect("it is sent");
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), 200);
        Self { say, answer: answer.into_body() }
    }

    /// How the answer ends: none, if by itself, which `NO_ERROR` says as well where the request has not ended. Its last
    /// piece may be an empty one.
    async fn end(&mut self) -> Option<String> {
        match self.answer.data().await {
            None => None,
            Some(Err(error)) if error.reason() == Some(h2::Reason::NO_ERROR) => None,
            Some(Ok(piece)) if piece.is_empty() => Box::pin(self.end()).await,
            Some(other) => Some(format!("{other:?}")),
        }
    }

    async fn exchange(&mut self, text: &'static [u8]) {
        self.say.send_data(Bytes::from_static(text), false).expect("it is open");
        let reply = self.answer.data().await.expect("a reply").expect("no error");
        self.answer.flow_control().release_capacity(reply.len()).expect("a window");
        assert_eq!(&reply[..], text);
    }
}

#[tokio::test]
async fn long_streams_are_told_by_goaway_and_waited_for_and_end_when_streams_are_told() {
    let service = service();
    let socket = TcpStream::connect(service.address).await.expect("it is open");
    let (client, connection) = client::handshake(socket).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let mut kept = Call::open(&client, "/kept").await;
    let mut told = Call::open(&client, "/told").await;
    kept.exchange(b"one").await;
    told.exchange(b"one").await;
    // A stream whose answer has begun may be silent for as long as it likes.
    tokio::time::sleep(PAST_REQUEST_TIMEOUT).await;
    kept.exchange(b"two").await;
    told.exchange(b"two").await;

    service.ask_to_stop();
    assert_eq!(told.end().await, None, "the streams are told to end");
    // GOAWAY has come with that: no other stream is opened here, and this one goes on.
    let another = async {
        let mut client = client.clone().ready().await?;
        let request = Request::post("http://localhost/kept").body(()).expect("a request");
        client.send_request(request, true)?.0.await
    };
    assert!(another.await.is_err_and(|error| error.is_go_away() && error.is_remote()));
    for text in [&b"three"[..], b"four"] {
        kept.exchange(text).await;
    }
    assert_eq!(service.in_flight(), 1, "it is waited for");
    let status = HeaderName::from_static("grpc-status");
    kept.say
        .send_trailers(HeaderMap::from_iter([(status, HeaderValue::from_static("0"))]))
        .expect("it is open");
    assert_eq!(kept.end().await, None, "the client's trailers have ended it");
    drop((kept, told, client));
    connection.await.expect("no panic").expect("no error");
    let report = tokio::task::spawn_blocking(|| service.wait()).await.expect("no panic");
    assert_eq!(report.outcome, Outcome::Clean, "{report:?}");
}
