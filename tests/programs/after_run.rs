//! What a program does after `run()` has its time, and is never cut off with the exit code 0.

use std::time::Duration;

use graceful_exit::{ExitCodes, GracefulExit};

use super::hello;
use crate::support::program::{Program, part, say};

const PROGRAM: &str = "programs::after_run::program";

#[test]
fn program() {
    let Some(part) = part() else { return };
    log::set_logger(&StandardError).expect("there is no other logger");
    log::set_max_level(log::LevelFilter::Error);
    let exit = GracefulExit::builder()
        .server(hello())
        .exit_codes(ExitCodes { forced: 11, timed_out: 12, incomplete: 13 })
        // As little as it can have.
        .timeout(Duration::from_millis(600));
    exit.handle().stop("at once");
    let report = exit.run_blocking().expect("it starts");
    say(format_args!("{:?}", report.outcome));
    match part.as_str() {
        // Longer than the overall deadline, and than the hard stop behind it.
        "takes its time" => {
            std::thread::sleep(Duration::from_secs(2));
            say("done");
            report.exit()
        }
        "hangs" => loop {
            std::thread::park();
        },
        other => panic!("{other}"),
    }
}

/// A log of errors.
struct StandardError;

impl log::Log for StandardError {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        eprintln!("logged: {}", record.args());
    }

    fn flush(&self) {}
}

#[test]
fn it_may_take_longer_than_the_deadline_that_is_over() {
    let mut program = Program::start(PROGRAM, "takes its time");
    assert_eq!(program.line().as_deref(), Some("Clean"));
    assert_eq!(program.line().as_deref(), Some("done"));
    let (status, errors) = program.wait();
    assert_eq!(status.code(), Some(0), "{errors}");
}

#[test]
fn cut_off_it_is_logged_and_the_exit_code_is_not_0() {
    let mut program = Program::start(PROGRAM, "hangs");
    assert_eq!(program.line().as_deref(), Some("Clean"));
    let (status, errors) = program.wait();
    assert_eq!(status.code(), Some(12), "{errors}");
    assert!(errors.contains("logged: out of time after the exit: forced to exit"), "{errors}");
}

#[cfg(unix)]
#[test]
fn a_second_signal_cuts_it_off_and_the_exit_code_is_not_0() {
    let mut program = Program::start(PROGRAM, "hangs");
    assert_eq!(program.line().as_deref(), Some("Clean"));
    // The exit was requested by the program: this is the first signal, and the one after it the second.
    super::kill(program.id(), libc::SIGTERM);
    std::thread::sleep(crate::support::PAST_COALESCE);
    super::kill(program.id(), libc::SIGTERM);
    let (status, errors) = program.wait();
    assert_eq!(status.code(), Some(11), "{errors}");
    assert!(errors.contains("forced to exit"), "{errors}");
}
