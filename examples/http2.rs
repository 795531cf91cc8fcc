//! HTTP/2 without TLS, by prior knowledge, beside HTTP/1.1 on the same port: as a mesh or a gRPC client speaks it.
//!
//! `cargo run --example http2`, `curl --http2-prior-knowledge localhost:8080/slow`, then Ctrl-C: the stream is answered in
//! full, the client is told by GOAWAY to open no other on this connection, and the exit code is 0.

use std::{env, time::Duration};

use actix_web::{App, HttpRequest, web};
use graceful_exit::{GracefulExit, Server, StartError};

async fn slow(request: HttpRequest) -> String {
    println!("{} begins", request.path());
    actix_web::rt::time::sleep(Duration::from_secs(1)).await;
    format!("done over {:?}\n", request.version())
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let server = Server::new("web", || App::new().route("/slow", web::get().to(slow)));
    GracefulExit::builder().server(server.bind_auto_h2c(address)).run().await?.exit()
}
