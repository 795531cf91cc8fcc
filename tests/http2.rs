//! HTTP/2: streams, and what becomes of them at the exit.

use std::{net::SocketAddr, time::Duration};

use actix_web::{App, HttpResponse, web};
use bytes::Bytes;
use graceful_exit::{GracefulExit, Outcome, Server};
use h2::client::{self, SendRequest};
use http::Request;
use tokio::net::TcpStream;

use crate::support::InProcess;

/// Answers `/slow/{ms}` after so long, and `/bytes/{n}` with so many bytes.
fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/slow/{ms}",
            web::get().to(|ms: web::Path<u64>| async move {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                HttpResponse::Ok().body("done")
            }),
        )
        .route(
            "/bytes/{n}",
            web::get().to(|n: web::Path<usize>| async move { HttpResponse::Ok().body(vec![b'.'; *n]) }),
        );
}

fn service() -> InProcess {
    let server = Server::new("web", || App::new().configure(routes)).workers(2);
    InProcess::start(GracefulExit::for_tests().server(server.bind_auto_h2c("127.0.0.1:0")))
}

/// A connection, and the task that moves its bytes.
async fn connect(address: SocketAddr) -> Result<SendRequest<Bytes>, Box<dyn std::error::Error>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (client, connection) = client::handshake(socket).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Whole {
        status: u16,
        length: usize,
    },
    /// It was not processed, and its client knows that: it may be sent again.
    Repeatable,
    Lost,
}

async fn get(client: &SendRequest<Bytes>, path: &str) -> Answer {
    match try_get(client, path).await {
        Ok((status, length)) => Answer::Whole { status, length },
        Err(error) if error.is_go_away() && error.is_remote() => Answer::Repeatable,
        Err(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Answer::Repeatable,
        Err(_) => Answer::Lost,
    }
}

async fn try_get(client: &SendRequest<Bytes>, path: &str) -> Result<(u16, usize), h2::Error> {
    let mut client = client.clone().ready().await?;
    let request = Request::get(format!("http://localhost{path}")).body(()).expect("a request");
    let (response, _) = client.send_request(request, true)?;
    let response = response.await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        length += chunk.len();
    }
    Ok((status, length))
}

/// Streams one after another on each of `concurrent` tasks a connection, until the server is gone.
async fn load(address: SocketAddr, path: &'static str, concurrent: usize) -> Vec<Answer> {
    let Ok(client) = connect(address).await else { return Vec::new() };
    let tasks: Vec<_> = (0..concurrent)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                loop {
                    match get(&client, path).await {
                        answer @ Answer::Whole { status: 200, .. } => answers.push(answer),
                        last => {
                            answers.push(last);
                            return answers;
                        }
                    }
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.expect("no panic"));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_in_the_middle_of_many_streams_loses_none() {
    for (path, length) in [("/bytes/4096", 4096), ("/bytes/524288", 524_288)] {
        let service = service();
        let loads: Vec<_> = (0..5).map(|_| tokio::spawn(load(service.address, path, 40))).collect();
        while service.handle.status().is_none_or(|status| status.servers[0].completed < 100) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        service.ask_to_stop();
        let mut answers = Vec::new();
        for load in loads {
            answers.extend(load.await.expect("no panic"));
        }
        let report = tokio::task::spawn_blocking(|| service.wait()).await.expect("no panic");
        let count = |is: fn(&Answer) -> bool| answers.iter().filter(|answer| is(answer)).count();
        assert_eq!(count(|answer| *answer == Answer::Lost), 0, "{path}");
        for answer in &answers {
            assert!(
                !matches!(answer, Answer::Whole { status: 200, length: got } if *got != length),
                "{answer:?}"
            );
        }
        println!(
            "{path}: {} answered, {} rejected, {} repeatable; {report:?}",
            count(|answer| matches!(answer, Answer::Whole { status: 200, .. })),
            count(|answer| matches!(answer, Answer::Whole { status: 503, .. })),
            count(|answer| *answer == Answer::Repeatable),
        );
        assert_eq!(report.outcome, Outcome::Clean, "{report:?}");
    }
}
