//! Signals in a program that has an actix `System`, listeners and handlers of its own.

use actix_web::rt::System;
use graceful_exit::{ExitCodes, GracefulExit, Job, SignalName};

use super::{hello, kill};
use crate::support::{
    PAST_COALESCE,
    program::{Program, part, say},
};

const PROGRAM: &str = "programs::signals::program";

#[test]
fn program() {
    let Some(part) = part() else { return };
    match part.as_str() {
        "system" => a_system_of_its_own(),
        "listeners" => listeners(),
        "listener in between" => a_listener_in_between(),
        other => panic!("{other}"),
    }
}

/// The exit is one of the things that run on the program's `System`, which ends the program.
fn a_system_of_its_own() {
    let codes = ExitCodes { forced: 11, timed_out: 12, incomplete: 13 };
    let exit = GracefulExit::builder().exit_codes(codes).server(hello());
    let exit = exit.job(Job::callback_fn("hangs", |_| async {
        say("hangs");
        std::future::pending().await
    }));
    let handle = exit.handle();
    let system = System::new();
    system.runtime().spawn(async move {
        let _ = exit.run().await; // the code is the `System`'s
    });
    system.runtime().spawn(async move {
        assert!(handle.ready().await);
        say("serves");
    });
    let code = system.run_with_code().expect("it runs");
    say(format_args!("stopped with {code}"));
    std::process::exit(code);
}

#[test]
fn a_second_signal_stops_the_system_with_a_code_other_than_0() {
    let mut program = Program::start(PROGRAM, "system");
    assert_eq!(program.line().as_deref(), Some("serves"));
    kill(program.id(), libc::SIGTERM);
    assert_eq!(program.line().as_deref(), Some("hangs"));
    std::thread::sleep(PAST_COALESCE);
    kill(program.id(), libc::SIGTERM);
    assert_eq!(program.line().as_deref(), Some("stopped with 11"));
    let (status, errors) = program.wait();
    assert_eq!(status.code(), Some(11), "{errors}");
}

/// Listens for a signal with tokio before the exit catches it, and runs the exit; returns what it heard meanwhile.
async fn listen_and_run(exit: GracefulExit) {
    let mut listener =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a listener");
    let handle = exit.handle();
    let serves = async {
        assert!(handle.ready().await);
        say("serves");
    };
    let heard = async {
        listener.recv().await;
        say("heard");
    };
    let (report, (), ()) = tokio::join!(exit.run(), serves, heard);
    assert_eq!(report.expect("it starts").reason.split_whitespace().next(), Some("SIGTERM"));
    say("over");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn exit() -> GracefulExit {
    GracefulExit::builder().signals(vec![SignalName::Term]).ends_process(false).server(hello())
}

fn listeners() {
    runtime().block_on(listen_and_run(exit()));
}

/// The second exit finds tokio's handler, which calls the one of the first exit.
fn a_listener_in_between() {
    runtime().block_on(async {
        let first = exit();
        first.handle().stop("at once");
        let armed = first.run();
        let listener = async {
            let kind = tokio::signal::unix::SignalKind::terminate();
            tokio::signal::unix::signal(kind).expect("a listener")
        };
        // The handlers of the exit are there from its first step on.
        let (report, _listener) = tokio::join!(armed, listener);
        drop(report.expect("it starts"));
        listen_and_run(exit()).await;
    });
}

#[test]
fn a_listener_that_was_there_before_hears_the_signal_too() {
    for part in ["listeners", "listener in between"] {
        let mut program = Program::start(PROGRAM, part);
        assert_eq!(program.line().as_deref(), Some("serves"), "{part}");
        kill(program.id(), libc::SIGTERM);
        let mut lines = [program.line(), program.line()];
        lines.sort();
        let expected = ["heard", "over"].map(|line| Some(line.to_owned()));
        assert_eq!(lines, expected, "{part}: {}", program.errors());
    }
}
