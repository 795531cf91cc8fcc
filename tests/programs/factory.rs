//! An application's factory that blocks its worker's thread, never comes to an end, or panics: at the start, which is
//! the only time that it is called.

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use actix_web::{App, rt::System};
use graceful_exit::{GracefulExit, Server, StartError};

use super::{hello, kill};
use crate::support::program::{Program, part, say};

const PROGRAM: &str = "programs::factory::program";
/// Longer than a test waits for a program's end.
const MINUTES: Duration = Duration::from_mins(10);

#[test]
fn program() {
    let Some(part) = part() else { return };
    let started = match part.as_str() {
        "blocks" => exit().server(hello()).server(blocks()).run_blocking(),
        "blocks in a system" => System::new().block_on(exit().server(hello()).server(blocks()).run()),
        "never ends" => exit().server(hello()).server(never_ends()).run_blocking(),
        "panics" => exit().server(hello()).server(panics(0)).run_blocking(),
        "panics beside one that blocks" => exit().server(panics(1)).run_blocking(),
        other => panic!("{other}"),
    };
    match started {
        Ok(report) => report.exit(),
        Err(error @ StartError::Serve { .. }) => {
            say(error);
            std::process::exit(4);
        }
        Err(error) => panic!("{error}"),
    }
}

/// A second signal may follow at once: one that came only after half a second would find the process gone.
fn exit() -> GracefulExit {
    GracefulExit::builder().coalesce(Duration::ZERO)
}

fn server(app: impl Fn() + Send + Clone + 'static) -> Server {
    let factory = move || {
        app();
        App::new()
    };
    Server::new("broken", factory).bind("127.0.0.1:0").workers(2)
}

fn blocks() -> Server {
    server(|| {
        say("called");
        thread::sleep(MINUTES);
    })
}

fn never_ends() -> Server {
    let factory = || {
        App::new().data_factory(|| async {
            say("called");
            pending::<Result<(), ()>>().await
        })
    };
    Server::new("broken", factory).bind("127.0.0.1:0").workers(2)
}

/// Panics when it has been called so many times; until then it blocks.
fn panics(after: usize) -> Server {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    server(move || {
        if CALLS.fetch_add(1, Ordering::Relaxed) < after {
            thread::sleep(MINUTES);
        }
        panic!("the factory panics");
    })
}

#[test]
fn the_first_signal_ends_a_start_whose_factory_hangs_with_code_0() {
    for part in ["blocks", "blocks in a system", "never ends"] {
        let mut program = Program::start(PROGRAM, part);
        assert_eq!(program.line().as_deref(), Some("called"), "{part}");
        kill(program.id(), libc::SIGTERM);
        let (status, errors) = program.wait();
        assert_eq!(status.code(), Some(0), "{part}: {status}: {errors}");
    }
}

/// The first one alone would end it with the code 0, after half a second. A factory that is a future ends with the start
/// itself, before there can be a second one.
#[test]
fn the_second_signal_ends_a_start_whose_factory_hangs_at_once() {
    for part in ["blocks", "blocks in a system"] {
        let mut program = Program::start(PROGRAM, part);
        assert_eq!(program.line().as_deref(), Some("called"), "{part}");
        // It finds both at once, however late the second is sent here.
        for signal in [libc::SIGSTOP, libc::SIGTERM, libc::SIGINT, libc::SIGCONT] {
            kill(program.id(), signal);
        }
        let (status, errors) = program.wait();
        assert_eq!(status.code(), Some(1), "{part}: {status}: {errors}");
    }
}

#[test]
fn a_factory_that_panics_is_an_error_that_names_its_server() {
    for part in ["panics", "panics beside one that blocks"] {
        let mut program = Program::start(PROGRAM, part);
        let error = program.line().unwrap_or_default();
        assert!(error.contains("broken") && error.contains("while it started"), "{part}: {error}");
        let (status, errors) = program.wait();
        assert_eq!(status.code(), Some(4), "{part}: {errors}");
        assert!(errors.contains("the factory panics"), "{part}: {errors}");
    }
}
