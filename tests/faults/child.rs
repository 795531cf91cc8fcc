//! A service around the library, for faults that the application cannot produce. The test binary starts itself again
//! with the name of a scenario; its two servers have the application's names, so that [`App`] can talk to it.

use std::{env, path::Path, process::Command, process::Stdio, sync::Arc, thread, time::Duration};

use actix::prelude::*;
use actix_web::{App as Site, HttpResponse, web};
use graceful_exit::{
    ExitHandle, GracefulExit, Job, JobError, Report, RunCallback, Server, Stop, Timeouts, logging, os,
};
use tempfile::TempDir;

use super::allocator;
use crate::support::{App, signals};

/// The environment variable that names the scenario.
const PART: &str = "GRACEFUL_EXIT_FAULT";
pub(super) const DEADLINE: Duration = Duration::from_millis(1500);
const EVER: Duration = Duration::from_mins(10);

/// Starts the scenario, and waits until it serves.
pub(super) fn start(part: &str) -> App {
    let folder = Arc::new(TempDir::new().expect("a temporary folder"));
    let command = command(folder.path(), part);
    App::start_command(folder, command)
}

fn command(folder: &Path, part: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("the test binary"));
    command.args(["--exact", "faults::child::child", "--nocapture"]).env(PART, part).env("LC_ALL", "C");
    // A backtrace takes the panicking thread seconds in a debug build.
    command.env_remove("RUST_BACKTRACE");
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    signals::all_default(&mut command);
    command
}

/// The child process's entry; not a test in itself.
#[test]
fn child() {
    let Ok(part) = env::var(PART) else { return };
    // A hanging child must end with its test.
    thread::spawn(|| {
        thread::sleep(Duration::from_mins(1));
        os::hard_stop::exit_immediately(99);
    });
    let logging = logging::start(&logging::Options::default()).expect("a log");
    logging::log_panics();
    let mut exit = builder().flush_log(move |bound| {
        logging.flush(bound);
    });
    exit = play(&part, exit);
    exit.arm().expect("the signals are caught");
    let handle = exit.handle();
    let system = System::new();
    let report = system.block_on(async move {
        let exit = exit.server(admin(handle.clone())).server(business());
        if part == "the system's own thread is blocked" {
            let run = actix_web::rt::spawn(exit.run());
            BLOCK.notified().await;
            thread::sleep(EVER);
            run.await.expect("no panic")
        } else {
            exit.run().await
        }
    });
    let report: Report = report.expect("it starts");
    report.exit()
}

fn builder() -> GracefulExit {
    let part = Duration::from_millis(400);
    GracefulExit::builder()
        .timeouts(
            Timeouts::default()
                .drain_timeout(part)
                .stop_timeout(part)
                .callback_timeout(part)
                .release_timeout(part)
                .timeout(DEADLINE),
        )
        .progress_interval(Duration::ZERO)
        .report_to("report.json")
}

fn admin(handle: ExitHandle) -> Server {
    let site =
        move || Site::new().app_data(web::Data::new(handle.clone())).route("/status", web::get().to(status));
    Server::new("admin", site).workers(1).bind("127.0.0.1:0").stop(Stop::Last).always_answer(|_| true)
}

async fn status(handle: web::Data<ExitHandle>) -> HttpResponse {
    HttpResponse::Ok().json(handle.status())
}

fn business() -> Server {
    let site = || {
        Site::new()
            .route("/web-block", web::get().to(web_block))
            .route("/slow", web::get().to(slow))
            .route("/block-the-system", web::get().to(block_the_system))
            .route("/panic", web::get().to(panics))
    };
    Server::new("business", site).workers(1).bind("127.0.0.1:0")
}

/// Blocks a thread of the blocking pool for minutes; no runtime can end it.
async fn web_block() -> &'static str {
    match web::block(|| thread::sleep(EVER)).await {
        Ok(()) => "done",
        Err(_) => "cancelled",
    }
}

/// Notified when the system's own thread is to be blocked.
static BLOCK: tokio::sync::Notify = tokio::sync::Notify::const_new();

async fn block_the_system() -> &'static str {
    BLOCK.notify_one();
    "done"
}

async fn slow() -> &'static str {
    actix_web::rt::time::sleep(Duration::from_millis(300)).await;
    "done"
}

async fn panics() -> HttpResponse {
    actix_web::rt::time::sleep(Duration::from_millis(300)).await;
    panic!("in the middle of the drain")
}

/// The file whose presence says that the allocator hangs.
pub(super) const HANGS: &str = "hangs";

/// The number of callbacks in "ten thousand callbacks".
pub(super) const CROWD: usize = 10_000;
/// Their timeout, which suits a debug build on a busy machine.
pub(super) const CROWDED: Duration = Duration::from_secs(10);

fn play(part: &str, exit: GracefulExit) -> GracefulExit {
    match part {
        "minutes of web::block" | "the system's own thread is blocked" => exit,
        "a callback blocks its thread" => exit.callback_fn("blocks", blocks).callback_fn("works", works),
        "the supervisor's thread is blocked" => exit.job(never().unsaved(|| {
            thread::sleep(EVER);
            None
        })),
        "the supervisor panics" => exit.job(never().unsaved(|| std::panic::panic_any(Bomb))),
        "the log's flush hangs" => exit.flush_log(|_| thread::sleep(EVER)),
        "the log's flush panics" => exit.flush_log(|_| panic!("no log")),
        "the allocator hangs" => exit.callback_fn("hangs", |_| async {
            // A log line would need memory; a file that is already open in the kernel does not.
            std::fs::write(HANGS, "")?;
            allocator::hang();
            std::future::pending().await
        }),
        "every way to fail" => every_way_to_fail(exit),
        "ten thousand callbacks" => {
            let timeouts = Timeouts::default().callback_timeout(CROWDED).timeout(2 * CROWDED);
            (0..CROWD).fold(exit.timeouts(timeouts), |exit, number| exit.job(shared(number)))
        }
        _ => panic!("no such scenario: {part}"),
    }
}

fn never() -> Job {
    Job::callback_fn("never", |_| std::future::pending())
}

async fn blocks(_: graceful_exit::JobContext) -> Result<(), JobError> {
    thread::sleep(EVER);
    Ok(())
}

async fn works(_: graceful_exit::JobContext) -> Result<(), JobError> {
    Ok(())
}

/// A panic payload that panics again when it is dropped, which no `catch_unwind` around user code contains.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "a payload that panics as it is dropped");
    }
}

fn every_way_to_fail(exit: GracefulExit) -> GracefulExit {
    exit.callback_fn("works", works)
        .callback_fn("fails", |_| async { Err(JobError::new("no disk")) })
        .callback_fn("panics", |_| async { panic!("in a future") })
        .job(never())
        .callback_fn("blocks", blocks)
        .job(Job::callback_actor("actor panics", || User(Way::Panics)))
        .job(Job::callback_actor("actor stops", || User(Way::Stops)))
        .job(Job::callback_actor("actor is gone", || User(Way::Gone)))
        .job(Job::callback_actor("arbiter stops", || User(Way::ArbiterStops)))
        .resource_fn("last", works)
}

/// A user's actor, which fails in the given way.
struct User(Way);

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Works,
    Panics,
    /// Stops when it receives the message.
    Stops,
    /// Has stopped before it receives the message.
    Gone,
    /// Its arbiter is stopped before it receives the message.
    ArbiterStops,
}

impl Actor for User {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match self.0 {
            Way::Gone => ctx.stop(),
            Way::ArbiterStops => {
                Arbiter::current().stop();
            }
            Way::Works | Way::Panics | Way::Stops => {}
        }
    }
}

impl Handler<RunCallback> for User {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, _: RunCallback, ctx: &mut Self::Context) -> Self::Result {
        assert!(self.0 != Way::Panics, "in an actor");
        if self.0 == Way::Stops {
            ctx.stop();
            return Box::pin(std::future::pending());
        }
        Box::pin(async { Ok(()) })
    }
}

thread_local! {
    static ONE: std::cell::RefCell<Option<Recipient<RunCallback>>> = const { std::cell::RefCell::new(None) };
}

/// One of many callbacks that share an actor.
fn shared(number: usize) -> Job {
    let one = ONE.with_borrow_mut(|one| {
        one.get_or_insert_with(|| {
            let (send, receive) = std::sync::mpsc::channel();
            thread::spawn(move || {
                System::new().block_on(async move {
                    let _ = send.send(User(Way::Works).start().recipient());
                    std::future::pending::<()>().await;
                });
            });
            receive.recv().expect("an actor")
        })
        .clone()
    });
    Job::callback(format!("callback-{number}"), one)
}
