//! The quick start with an admin server: health, readiness, status, metrics and a live page.
//!
//! `cargo run --example admin --features admin`, then <http://localhost:8081/>: the page shows what is in flight, and its
//! button starts the exit, as Ctrl-C does. A probe asks `/healthz` and `/readyz`, Prometheus `/metrics`. Other addresses
//! than 127.0.0.1:8080 and 127.0.0.1:8081 are the first two arguments.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
};

use actix_web::{App, web};
use graceful_exit::{GracefulExit, Server, StartError, admin::Admin};

static GREETED: AtomicU64 = AtomicU64::new(0);

async fn hello() -> &'static str {
    GREETED.fetch_add(1, Ordering::Relaxed);
    "hello\n"
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let mut addresses = env::args().skip(1);
    let mut address = |default: &str| addresses.next().unwrap_or_else(|| default.to_owned());
    let server =
        Server::new("web", || App::new().route("/", web::get().to(hello))).bind(address("127.0.0.1:8080"));

    let exit = GracefulExit::builder();
    // From another machine, the exit can be started with a token alone: `.token(…)`.
    let admin = Admin::new(&exit)
        .counter("greetings_total", "Greetings so far.", || GREETED.load(Ordering::Relaxed))
        .line("greetings", || GREETED.load(Ordering::Relaxed).to_string())
        .server(address("127.0.0.1:8081"));
    exit.server(admin).server(server).run().await?.exit()
}
