//! Timeouts, set in code, and the exit codes that they lead to.
//!
//! `cargo run --example timeouts`, `curl 'localhost:8080/slow?ms=10000'` in another terminal, then Ctrl-C: the request is
//! aborted after 2 s, the report names it, and the exit code is 3. With `ms=1000` it is answered, and the exit code is 0.

use std::{env, time::Duration};

use actix_web::{App, web};
use graceful_exit::{GracefulExit, Server, StartError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Slow {
    ms: u64,
}

async fn slow(query: web::Query<Slow>) -> &'static str {
    actix_web::rt::time::sleep(Duration::from_millis(query.ms)).await;
    "done\n"
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let server = Server::new("web", || App::new().route("/slow", web::get().to(slow)));
    let report = GracefulExit::builder()
        .server(server.bind(address))
        // Requests in flight: 2 s, and not a moment longer than the last one takes.
        .drain_timeout(Duration::from_secs(2))
        // Each callback: 1 s, unless its job has a timeout of its own.
        .callback_timeout(Duration::from_secs(1))
        // The whole exit. Let your platform wait for longer before it kills.
        .timeout(Duration::from_secs(8))
        .run()
        .await?;
    println!("the exit was {:?}, exit code {}", report.outcome, report.exit_code);
    report.exit()
}
