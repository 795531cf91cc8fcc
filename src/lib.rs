//! Graceful shutdown for actix-web services.
//!
//! A deployment stops a service dozens of times a day. With this crate a stop loses nothing: new requests are rejected
//! and requests in flight are answered, servers close without a connection reset, callbacks run side by side with a
//! timeout each, resources are released, and an overall deadline ends the process whatever hangs. A report says what
//! happened.
//!
//! ```no_run
//! use actix_web::{App, web};
//! use graceful_exit::{GracefulExit, Server, StartError};
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), StartError> {
//!     let server = Server::new("web", || App::new().route("/", web::get().to(|| async { "hello\n" })));
//!     let report = GracefulExit::builder()
//!         .server(server.bind("127.0.0.1:8080"))
//!         .callback_fn("flush", |_| async { Ok(println!("flushed")) })
//!         .run()
//!         .await?;
//!     report.exit()
//! }
//! ```
//!
//! [`Server`] takes the place of `HttpServer`; the application stays as it is. [`GracefulExit`] catches the signals and
//! runs the exit. [`ExitHandle`] is the way to it from handlers and other code.
//!
//! # The order of an exit
//!
//! | step | what happens | how long at most |
//! |---|---|---|
//! | a signal, or [`ExitHandle::stop`] | [`ExitHandle::is_ready`] returns false; checkpoints begin ([`GracefulExit::checkpoint_fn`]) | [`checkpoint_timeout`](Timeouts::checkpoint_timeout) |
//! | ready delay | requests are served, with `Connection: close` on each answer | exactly [`ready_delay`](Timeouts::ready_delay) |
//! | drain | new requests are rejected ([`Rejection`]), streams end ([`Streams`]), requests in flight and background workers are waited for | [`drain_timeout`](Timeouts::drain_timeout) |
//! | close | servers close, but those that [`Stop::Last`] | [`stop_timeout`](Timeouts::stop_timeout) |
//! | callbacks | all run at once ([`GracefulExit::callback_fn`]), after the checkpoints | [`callback_timeout`](Timeouts::callback_timeout) each |
//! | release | resources are released ([`GracefulExit::resource_fn`]), the last registered first | [`release_timeout`](Timeouts::release_timeout) each |
//! | close last | the remaining servers close | [`stop_timeout`](Timeouts::stop_timeout) |
//! | end | [`GracefulExit::run`] resolves to the [`Report`] | |
//!
//! A step without members is left out, and each ends as soon as it is done. A second signal, later than
//! [`coalesce`](Timeouts::coalesce) after the first, forces the exit at once; so does the overall deadline,
//! [`timeout`](Timeouts::timeout). Both end with an exit code other than 0 ([`ExitCodes`]), and with a report.
//!
//! # Jobs
//!
//! Callbacks, resources, checkpoints and background workers are jobs ([`Job`]). An actor runs a job: one of yours, which
//! handles [`RunCallback`], [`ReleaseResource`], [`Checkpoint`] or [`FinishWork`], or one that is made of a future and
//! has a thread of its own. A job that panics, fails, hangs or blocks its thread neither delays nor hides another one.
//! [`JobContext`] tells it how long it has, and when it is no longer waited for.
//!
//! # From `HttpServer` to `Server`
//!
//! `HttpServer::new(factory)` becomes [`Server::new`]`(name, factory)`; the name stands in the log and in the report.
//! Errors of binding come from [`GracefulExit::run`].
//!
//! | `HttpServer` | `Server` |
//! |---|---|
//! | `bind(a)?`, `listen(l)?`, `bind_uds(p)?`, `listen_uds(l)?`, `bind_auto_h2c(a)?`, `listen_auto_h2c(l)?`, `bind_rustls_0_23(a, c)?`, `listen_rustls_0_23(l, c)?`, `bind_openssl(a, b)?`, `listen_openssl(l, b)?` | the same without `?`; those of HTTP/2 and TLS with features `http2`, `rustls-0_23` and `openssl` |
//! | `workers`, `worker_max_blocking_threads`, `backlog`, `max_connections`, `max_connection_rate` | the same |
//! | `keep_alive`, `client_request_timeout`, `client_disconnect_timeout`, `tls_handshake_timeout` | the same |
//! | `h1_allow_half_closed`, `h1_write_buffer_size`, `h2_initial_window_size`, `h2_initial_connection_window_size` | the same; no effect with an actix-http older than 3.12.1. The windows of HTTP/2 are 256 KiB by default |
//! | `on_connect`, `server_hostname`, `tcp_nodelay`, `addrs` | the same |
//! | `addrs_with_scheme` | [`ExitHandle::addrs`] |
//! | `run()` | [`GracefulExit::server`]`(server)`, then [`GracefulExit::run`] |
//! | `ServerHandle::stop` | [`ExitHandle::stop`] |
//! | `ServerHandle::pause`, `ServerHandle::resume` | nothing: a server accepts until the exit |
//! | `shutdown_timeout(seconds)` | [`GracefulExit::drain_timeout`] |
//! | `shutdown_signal(future)` | a task that awaits the future and calls [`ExitHandle::stop`] |
//! | `disable_signals()` | [`GracefulExit::signals`]`(vec![])` |
//! | `system_exit()` | is the default; [`GracefulExit::ends_process`]`(false)` turns it off |
//! | `bind_rustls`, `bind_rustls_021`, `bind_rustls_0_22` and their `listen_…` | `bind_rustls_0_23`, `listen_rustls_0_23` |
//! | `client_timeout`, `client_shutdown` (deprecated) | `client_request_timeout`, `client_disconnect_timeout` |
//!
//! # Where it runs
//!
//! Under `#[actix_web::main]`, `#[tokio::main]` and `#[tokio::test]`, and in a plain `fn main` by
//! [`GracefulExit::run_blocking`]. Tests of a service use [`GracefulExit::for_tests`]. A program that reads settings or
//! opens files before it serves begins with [`StartGuard::new`]; one that is PID 1 of a container, with [`reap_orphans`].
//!
//! # A program with a `System` of its own
//!
//! Workers and jobs run in the actix `System` of the thread that calls [`GracefulExit::run`]. What the program gets:
//!
//! | the program | at the end of the exit |
//! |---|---|
//! | awaits `run` inside `System::block_on` | `run` resolves to the report; the `System` has been told to stop with the exit code. Work after it is described at [`GracefulExit::run`] |
//! | spawns `run`, then calls `SystemRunner::run` | that returns: `Ok` for the exit code 0, an error for any other. `run_with_code` returns the code itself |
//! | says [`ends_process(false)`](GracefulExit::ends_process) | `run` resolves, and the `System` goes on |
//!
//! A `System::stop()` of the program is an exit too, but `SystemRunner::run` returns *at once* then, while the exit still
//! runs on a thread of its own. A `main` that returned would end the process in the middle of it: wait for
//! [`ExitHandle::report`] first, on any runtime, and end with [`Report::exit`].
//!
//! ```no_run
//! # use actix_web::{App, rt::System};
//! # use graceful_exit::{GracefulExit, Server};
//! # fn main() -> std::io::Result<()> {
//! let exit = GracefulExit::builder().server(Server::new("web", || App::new()).bind("127.0.0.1:8080"));
//! let handle = exit.handle();
//! let system = System::new();
//! system.block_on(async {
//!     actix_web::rt::spawn(async {
//!         if let Err(error) = exit.run().await {
//!             eprintln!("{error}"); // it could not be started
//!             std::process::exit(1);
//!         }
//!     });
//! });
//! system.run_with_code()?; // returns at the end of the exit, or at `System::stop()`
//! tokio::runtime::Builder::new_current_thread().build()?.block_on(handle.report()).exit()
//! # }
//! ```
//!
//! # What is promised
//!
//! - The process ends at most 250 ms after the deadline and 100 ms after a second signal, even when each of its threads
//!   is blocked: a thread that needs no runtime, allocator, lock or log ends it then (the *hard stop*).
//! - A request is in flight until the last byte of its answer is with the kernel.
//! - A connection that was opened or used within the last second before its server closes gets an answer to a request
//!   that was on its way, if that arrives within the keep-alive grace (50 ms).
//! - Handlers that were installed earlier for the same signals run as well.
//! - `System::stop()` in the program is an exit, which takes at most 5 s.
//! - What the program does after `run` has at least 5 s, and is never cut off with the exit code 0.
//! - An exit that is over leaves no thread, file descriptor or signal handler in a process that goes on.
//!
//! # What is not promised
//!
//! - An exit that the hard stop ends has no report, and no callback runs that had not begun.
//! - A job that blocks its thread cannot be cancelled. It is left behind, and ends with the process.
//! - With `panic = "abort"` a panic ends the process at once. Keep the default.
//! - On Windows, an earlier handler of a console event is not called.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `admin` | health, status, metrics, a live page, and the request that starts the exit |
//! | `logging` | a log whose output can hang, fill up or vanish without blocking a thread |
//! | `settings` | the application's settings file, its environment variables and its command-line keys |
//! | `systemd` | readiness, progress and the watchdog for systemd, and sockets that it passes in; Unix alone |
//! | `http2` | HTTP/2, by ALPN over TLS or by prior knowledge |
//! | `rustls-0_23`, `openssl` | TLS |
//! | `app` (default) | the demo binary with its database. A library user says `default-features = false` |
//!
//! The library builds with Rust 1.85, with actix-web 4.9 and later; the application needs 1.94.

#[doc(hidden)]
pub mod actors;
#[cfg(feature = "admin")]
pub mod admin;
#[doc(hidden)]
pub mod drain;
mod exit;
#[doc(hidden)]
pub mod locale;
#[cfg(feature = "logging")]
pub mod logging;
#[doc(hidden)]
pub mod os;
pub mod report;
#[doc(hidden)]
pub mod sequence;
#[doc(hidden)]
pub mod server;
#[cfg(feature = "settings")]
pub mod settings;
mod sync;
#[cfg(test)]
mod virtual_time;

pub use actors::{Checkpoint, FinishWork, Job, JobContext, JobError, ReleaseResource, RunCallback};
pub use drain::Rejection;
pub use exit::{ExitHandle, GracefulExit, StartError, StartGuard};
pub use locale::Language;
#[cfg(all(unix, feature = "systemd"))]
pub use os::systemd;
pub use os::{orphans::reap_orphans, signals::SignalName};
pub use report::{PreviousExit, ReadError, Report, Status};
pub use sequence::{ExitCodes, Outcome, Timeouts};
pub use server::{Address, BindError, Server, Stop, Streams};
#[cfg(feature = "rustls-0_23")]
pub use server::{CertificateError, CertificateFiles};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
