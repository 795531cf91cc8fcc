//! The servers that are compared with this crate's application, each written as its own project recommends.

use std::{io, net::SocketAddr, thread, time::Duration};

use actix::prelude::*;
use graceful_exit::{GracefulExit, JobError, RunCallback, Server};
use serde::Deserialize;

/// Serves until a signal ends it: `actix`, `axum`, or `callbacks N`.
pub(crate) fn main(what: &[String]) -> io::Result<()> {
    match what.first().map(String::as_str) {
        Some("actix") => actix_web::rt::System::new().block_on(actix()),
        Some("axum") => tokio_runtime().and_then(|runtime| runtime.block_on(axum())),
        Some("callbacks") => {
            let count = what.get(1).and_then(|count| count.parse().ok()).unwrap_or(0);
            actix_web::rt::System::new().block_on(callbacks(count))
        }
        _ => Err(io::Error::other("--serve is actix, axum or callbacks N")),
    }
}

const TEXT: &str = "graceful-exit: the business server\n";
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

#[derive(Deserialize)]
struct Query {
    ms: u64,
}

/// Prints the line that the benchmark waits for.
fn say(address: SocketAddr) {
    eprintln!("listens on http://{address}");
}

async fn actix() -> io::Result<()> {
    use actix_web::{App, HttpServer, web};

    let mut server = HttpServer::new(|| {
        App::new()
            .route("/", web::get().to(|| async { TEXT }))
            .route(
                "/slow",
                web::get().to(|query: web::Query<Query>| async move {
                    tokio::time::sleep(Duration::from_millis(query.ms)).await;
                    "done"
                }),
            )
            .route(
                "/chaos/block",
                web::get().to(|query: web::Query<Query>| async move {
                    thread::sleep(Duration::from_millis(query.ms));
                    "blocked\n"
                }),
            )
    });
    if let Some(workers) = workers() {
        server = server.workers(workers);
    }
    let server = server.bind(ANYWHERE)?;
    for address in server.addrs() {
        say(address);
    }
    server.run().await
}

/// The number of workers, for the row whose handlers block.
fn workers() -> Option<usize> {
    std::env::var("WORKERS").ok()?.parse().ok()
}

fn tokio_runtime() -> io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = workers() {
        builder.worker_threads(workers);
    }
    builder.enable_all().build()
}

async fn axum() -> io::Result<()> {
    use axum::{Router, extract::RawQuery, routing::get};

    fn ms(query: Option<&str>) -> u64 {
        query.and_then(|query| query.strip_prefix("ms=")?.parse().ok()).unwrap_or(0)
    }
    let app = Router::new()
        .route("/", get(|| async { TEXT }))
        .route(
            "/slow",
            get(|RawQuery(query): RawQuery| async move {
                tokio::time::sleep(Duration::from_millis(ms(query.as_deref()))).await;
                "done"
            }),
        )
        .route(
            "/chaos/block",
            get(|RawQuery(query): RawQuery| async move {
                thread::sleep(Duration::from_millis(ms(query.as_deref())));
                "blocked\n"
            }),
        );
    let listener = tokio::net::TcpListener::bind(ANYWHERE).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    say(listener.local_addr()?);
    let asked = async move {
        terminate.recv().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(asked).await
}

/// An actor whose callback does nothing.
struct Idle;

impl Actor for Idle {
    type Context = Context<Self>;
}

impl Handler<RunCallback> for Idle {
    type Result = Result<(), JobError>;

    fn handle(&mut self, _: RunCallback, _: &mut Self::Context) -> Self::Result {
        Ok(())
    }
}

async fn callbacks(count: usize) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(ANYWHERE)?;
    let address = listener.local_addr()?;
    let server = Server::new("web", actix_web::App::new).listen(listener);
    // All callbacks belong to one actor on a thread of its own.
    let idle = Idle::start_in_arbiter(&Arbiter::new().handle(), |_| Idle).recipient::<RunCallback>();
    let exit = (0..count).fold(GracefulExit::builder().server(server), |exit, index| {
        exit.callback(format!("callback-{index}"), idle.clone())
    });
    let handle = exit.handle();
    actix_web::rt::spawn(async move {
        while !handle.is_ready() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        say(address);
    });
    exit.run().await.map_err(io::Error::other)?.exit()
}
