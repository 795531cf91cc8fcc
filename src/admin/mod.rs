//! The admin server: health, readiness, status, metrics, a live page, and the request that starts the exit.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the live page |
//! | `GET /healthz` | 200 while the process works, draining included |
//! | `GET /readyz` | 200; 503 from the first request to stop on |
//! | `GET /status` | the status as JSON |
//! | `GET /events` | the status as server-sent events, one for each change |
//! | `GET /metrics` | Prometheus text, or `OpenMetrics` where it is accepted |
//! | `POST /shutdown` | 202, and the exit starts |
//!
//! Every GET route answers HEAD too. [`Admin::server`] makes a server of these routes alone, which closes last and
//! answers them until the end; [`Admin::configure`] mounts them in an application.
//!
//! ```no_run
//! use actix_web::{App, web};
//! use graceful_exit::{GracefulExit, Server, StartError, admin::Admin};
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), StartError> {
//!     let server = Server::new("web", || App::new().route("/", web::get().to(|| async { "hello\n" })));
//!     let exit = GracefulExit::builder();
//!     let admin = Admin::new(&exit).server("127.0.0.1:8081");
//!     exit.server(admin).server(server.bind("127.0.0.1:8080")).run().await?.exit()
//! }
//! ```

mod access;
mod builder;
mod events;
mod exposition;
mod host;
mod metrics;
mod page;
mod peer;
mod refusals;
mod routes;
mod status;

pub use builder::Admin;
