//! The smallest service with a graceful exit.
//!
//! `cargo run --example minimal`, then Ctrl-C: requests in flight are answered, and the exit code is 0. A second Ctrl-C
//! ends the process at once, with exit code 1. Another address than 127.0.0.1:8080 is the first argument.

use std::env;

use actix_web::{App, web};
use graceful_exit::{GracefulExit, Server, StartError};

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let server = Server::new("web", || App::new().route("/", web::get().to(|| async { "hello\n" })));
    GracefulExit::builder().server(server.bind(address)).run().await?.exit()
}
