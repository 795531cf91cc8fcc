//! Graceful shutdown for actix-web services.
//!
//! A service is told to stop dozens of times a day. This crate makes that safe: new requests are rejected and
//! those in flight are waited for; servers close without resetting anybody; callbacks run side by side, each
//! within its own bound; resources are released; and an overall deadline ends the process whatever hangs.
//!
//! ```no_run
//! use graceful_exit::{GracefulExit, Server, StartError};
//! use actix_web::{App, web};
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
//! What `HttpServer::new(factory).bind(address)?.run()` was, [`Server::new`]`(name, factory).bind(address)` is; the
//! application stays as it is. There is no gate to wrap around it and no signal handling to switch off: both are
//! the server's own, so neither can be forgotten.
//!
//! # The order
//!
//! 1. A signal, or [`ExitHandle::stop`]: [`ExitHandle::is_ready`] turns false.
//! 2. For [`Timeouts::ready_delay`], everything is served as before, with `Connection: close` on each answer.
//! 3. New requests are rejected ([`Rejection`]); [`ExitHandle::streams`] is cancelled; requests in flight and
//!    background workers are waited for, at most [`Timeouts::drain_timeout`], and not a moment longer than it takes.
//! 4. The servers close ([`Stop::First`]): within [`Timeouts::stop_timeout`].
//! 5. All callbacks run at once, each within its own bound or [`Timeouts::callback_timeout`].
//! 6. Resources are released one after another, the last registered first.
//! 7. Servers that [`Stop::Last`] close.
//! 8. [`GracefulExit::run`] resolves to the [`Report`]; or the process ends, with [`GracefulExit::exits_at_once`].
//!
//! A second signal, later than [`Timeouts::coalesce`] after the first, forces the exit at once; so does
//! [`Timeouts::timeout`]. Both end with a code other than 0, and with a report that says what was cut off.
//!
//! # Jobs
//!
//! A [`Job`] is done by an actor: yours, which handles [`RunCallback`], [`ReleaseResource`] or [`FinishWork`] and
//! is handed over as a `Recipient`, or one that is made of a future. One's panic, error, hang or blocked thread
//! neither delays nor hides another's; whose bound is over is told so through its [`JobContext`]. An actor that may
//! block its thread belongs on an arbiter of its own: [`Job::callback_actor`] gives it one.
//!
//! # What is promised
//!
//! - The process is gone at the deadline plus 250 ms, and 100 ms after a second signal, even when every thread
//!   of it is blocked: a plain thread ends it then, without the runtime, the allocator, a lock or the log.
//! - A request counts as in flight until the last byte of its answer is with the kernel.
//! - Every connection that a client has opened or used within the last second before its server closes gets an
//!   answer to a request that was on its way, if it arrives within the keep-alive grace (50 ms).
//!
//! # What is not promised
//!
//! - An exit that the guard had to end has no report, and ran no callback that had not run.
//! - A callback that blocks its thread cannot be cancelled: it is left behind, and ends with the process.
//! - A panic with `panic = "abort"` ends the process at once. Keep the default.
//! - HTTP/2 and TLS are not served: terminate them in front.
//! - Handlers installed earlier for the same signals are replaced.
//!
//! # The map
//!
//! | room | what is in it |
//! |---|---|
//! | [`sequence`] | what happens next is decided here, in a machine without clock, thread or log |
//! | [`drain`] | what every request goes through: the gate, the connections, the layer around the application |
//! | [`server`] | accepts connections, and closes without losing one |
//! | [`actors`] | carries out what the machine decides |
//! | [`os`] | signals, the exit guard, listening sockets: one file a subject |
//! | [`locale`] | every sentence that an operator reads, in each language |
//! | `admin` | behind the feature of this name: health, status, metrics, a live page, and the request that starts the exit |
//! | `settings`, `logging` | behind the features of these names: the settings file, and a log that never blocks |
//!
//! # Features
//!
//! `app`, on by default, is the demo binary with its database; a library says `default-features = false` and may
//! add `admin`, `settings` and `logging`.

pub mod actors;
#[cfg(feature = "admin")]
pub mod admin;
pub mod drain;
mod exit;
pub mod locale;
#[cfg(feature = "logging")]
pub mod logging;
pub mod os;
pub mod report;
pub mod sequence;
pub mod server;
#[cfg(feature = "settings")]
pub mod settings;
mod sync;

pub use actors::{
    Checkpoint, FinishWork, Job, JobContext, JobError, LogDetail, ReleaseResource, RunCallback,
};
pub use drain::Rejection;
pub use exit::{ExitHandle, GracefulExit, StartError, StartGuard};
pub use locale::Language;
pub use os::{orphans::reap_orphans, signals::SignalName};
pub use report::{PreviousExit, ReadError, Report, Status};
pub use sequence::{ExitCodes, Outcome, Timeouts};
pub use server::{Address, Server, Stop, Streams};
#[cfg(feature = "rustls-0_23")]
pub use server::{CertificateError, CertificateFiles};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
