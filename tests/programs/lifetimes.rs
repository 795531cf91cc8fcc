//! Several exits in one process: nothing of one is left when it is over.

use std::net::TcpListener;

use actix_web::App;
use graceful_exit::{GracefulExit, Outcome, Server, StartError};

use super::{hello, use_and_stop};
use crate::support::{
    program::{Program, part, say},
    wait_until,
};

const PROGRAM: &str = "programs::lifetimes::program";

#[test]
fn program() {
    let part = part();
    if part.is_some() {
        let threads = Used::now().threads;
        // What tokio keeps for the whole process from the first runtime on.
        one_life(GracefulExit::for_tests());
        wait_until("its threads have ended", || Used::now().threads == threads);
    }
    match part.as_deref() {
        Some("one after another") => one_after_another(),
        Some("side by side") => side_by_side(),
        Some("failed") => failed_and_tried_again(),
        _ => return,
    }
    say("passed");
}

fn one_life(exit: GracefulExit) {
    let exit = exit.server(hello()).callback_fn("flush", |_| async { Ok(()) });
    let client = use_and_stop(exit.handle());
    let report = exit.run_blocking().expect("it starts");
    client.join().expect("it is answered");
    assert_eq!(report.outcome, Outcome::Clean);
}

/// Catches signals, and lets the process go on.
fn with_signals() -> GracefulExit {
    GracefulExit::builder().ends_process(false)
}

fn one_after_another() {
    let before = Used::now();
    for _ in 0..20 {
        one_life(with_signals());
    }
    before.is_all_that_is_used();
}

/// One of them catches signals; another that would is refused, until the first one is over.
fn side_by_side() {
    let before = Used::now();
    let first = with_signals().server(hello());
    let handle = first.handle();
    let runs = std::thread::spawn(move || first.run_blocking());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert!(runtime.block_on(handle.ready()));
    let refused = with_signals().server(hello()).run_blocking();
    assert!(matches!(refused, Err(StartError::Signals(_))), "{refused:?}");
    one_life(GracefulExit::for_tests());
    handle.stop("the test is over");
    assert_eq!(runs.join().expect("no panic").expect("it starts").outcome, Outcome::Clean);
    one_life(with_signals());
    drop((handle, runtime));
    before.is_all_that_is_used();
}

fn failed_and_tried_again() {
    let before = Used::now();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    for _ in 0..3 {
        // One that would end the process, with all that is needed for it.
        let failed = GracefulExit::builder().server(hello().bind(address)).run_blocking();
        assert!(matches!(failed, Err(StartError::Bind(_))), "{failed:?}");
        let panics = || {
            assert_eq!(std::env::args().count(), 0, "the factory panics");
            App::new()
        };
        let panics = Server::new("panics", panics).bind("127.0.0.1:0").workers(2);
        let failed = GracefulExit::builder().server(hello()).server(panics).run_blocking();
        assert!(matches!(failed, Err(StartError::Serve { .. })), "{failed:?}");
    }
    one_life(with_signals());
    drop(taken);
    before.is_all_that_is_used();
}

/// What the process uses: its threads and file descriptors, and whether it handles SIGTERM.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq, Eq)]
struct Used {
    threads: usize,
    descriptors: usize,
    handled: String,
}

#[cfg(target_os = "linux")]
impl Used {
    fn now() -> Self {
        let count = |path| std::fs::read_dir(path).expect("it can be counted").count();
        let status = std::fs::read_to_string("/proc/self/status").expect("a status");
        let handled = status.lines().find(|line| line.starts_with("SigCgt:")).expect("the handlers");
        Self {
            threads: count("/proc/self/task"),
            descriptors: count("/proc/self/fd"),
            handled: handled.to_owned(),
        }
    }

    /// A thread that has ended is there for a moment still.
    fn is_all_that_is_used(&self) {
        wait_until(&format!("it is again {self:?}, after {:?}", Self::now()), || Self::now() == *self);
    }
}

#[cfg(not(target_os = "linux"))]
struct Used {
    threads: usize,
}

#[cfg(not(target_os = "linux"))]
impl Used {
    /// Counted on Linux alone.
    fn now() -> Self {
        Self { threads: 0 }
    }

    fn is_all_that_is_used(&self) {
        assert_eq!(self.threads, 0);
    }
}

fn passes(part: &str) {
    let mut program = Program::start(PROGRAM, part);
    let said = program.line();
    assert_eq!(said.as_deref(), Some("passed"), "{}", program.wait().1);
}

#[test]
fn one_after_another_they_leave_no_thread_descriptor_or_handler() {
    passes("one after another");
}

#[test]
fn side_by_side_one_of_them_catches_signals() {
    passes("side by side");
}

#[test]
fn one_that_failed_leaves_nothing_and_can_be_tried_again() {
    passes("failed");
}
