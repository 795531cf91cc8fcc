use std::io::{self, Read};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::{Cause, Deadline, HardStop, Messages, exit_immediately};
use crate::os::process::{Process, TestResult, part, say, wait_for_order};

const CHILD: &str = "os::hard_stop::tests::child";
const LATER: Duration = Duration::from_hours(1);

#[test]
fn child() -> TestResult {
    let Some(part) = part() else { return Ok(()) };
    #[cfg(unix)]
    // SAFETY: the handler is a plain function.
    unsafe {
        libc::atexit(hang);
    }
    let guard =
        HardStop::start(Messages { deadline: b"deadline passed\n".to_vec(), forced: b"forced\n".to_vec() })?;
    let soon = Duration::from_millis(50);
    match part.as_str() {
        "now" => exit_immediately(7),
        "not armed" => {}
        "deadline" => guard.arm(Cause::Deadline, soon, 1),
        "finished" => guard.arm(Cause::Finished, soon, 3),
        "earlier last" => {
            guard.arm(Cause::Deadline, LATER, 1);
            say("armed");
            thread::yield_now();
            guard.arm(Cause::Forced, soon, 5);
        }
        "earlier first" => {
            guard.arm(Cause::Forced, soon, 5);
            guard.arm(Cause::Deadline, LATER, 1);
        }
        "handle dropped" => {
            guard.arm(Cause::Forced, soon, 5);
            drop(guard);
        }
        "no end of time" => {
            guard.arm(Cause::Deadline, Duration::MAX, 1);
            guard.arm(Cause::Forced, soon, 5);
        }
        "locks held" => {
            guard.arm(Cause::Forced, soon, 5);
            // `process::exit` would wait for these.
            let _locks = (io::stdout().lock(), io::stderr().lock());
            loop {
                thread::park();
            }
        }
        _ => return Err("an unknown part".into()),
    }
    say("blocked");
    if part == "not armed" {
        wait_for_order();
        exit_immediately(9);
    }
    loop {
        thread::park(); // the main thread does nothing more
    }
}

/// What must not run when the process is ended at once.
#[cfg(unix)]
extern "C" fn hang() {
    loop {
        thread::park();
    }
}

/// Plays `part` to its end: the code, and what it wrote to standard error.
fn played(part: &str) -> Result<(Option<i32>, String), Box<dyn std::error::Error>> {
    let (mut errors, sink) = io::pipe()?;
    let mut process = Process::start(CHILD, part, |command: &mut Command| {
        command.stderr(sink);
    })?;
    let code = process.wait()?.code();
    let mut written = String::new();
    errors.read_to_string(&mut written)?;
    Ok((code, written))
}

#[test]
fn ending_at_once_gives_the_code() -> TestResult {
    assert_eq!(played("now")?, (Some(7), String::new()));
    Ok(())
}

#[test]
fn the_guard_ends_a_blocked_process_with_the_causes_code_and_line() -> TestResult {
    assert_eq!(played("deadline")?, (Some(1), line("deadline passed\n")));
    assert_eq!(played("finished")?, (Some(3), String::new()));
    assert_eq!(played("handle dropped")?, (Some(5), line("forced\n")));
    assert_eq!(played("locks held")?, (Some(5), line("forced\n")));
    Ok(())
}

#[test]
fn the_earliest_wins_in_whatever_order_it_is_armed() -> TestResult {
    for part in ["earlier first", "earlier last", "no end of time"] {
        assert_eq!(played(part)?, (Some(5), line("forced\n")), "{part}");
    }
    Ok(())
}

#[test]
fn a_guard_that_is_not_armed_does_nothing() -> TestResult {
    let mut process = Process::start(CHILD, "not armed", |_| {})?;
    process.line()?;
    process.order()?;
    assert_eq!(process.wait()?.code(), Some(9));
    Ok(())
}

/// A full pipe that nobody reads, and one whose reader has left.
#[cfg(unix)]
#[test]
fn standard_error_cannot_hold_the_guard_up() -> TestResult {
    use std::io::Write;
    use std::time::Instant;

    let (unread, mut full) = io::pipe()?;
    let mut filler = full.try_clone()?;
    let filling = thread::spawn(move || filler.write_all(&vec![b'.'; 1 << 20]));
    while has_room(&full) {
        thread::yield_now();
    }
    let its_own = full.try_clone()?;
    let mut process = Process::start(CHILD, "deadline", |command: &mut Command| {
        command.stderr(its_own);
    })?;
    process.line()?;
    let blocked = Instant::now();
    assert_eq!(process.wait()?.code(), Some(1));
    assert!(blocked.elapsed() < Duration::from_secs(5), "took {:?}", blocked.elapsed());
    drop(unread);
    assert!(filling.join().is_ok_and(|written| written.is_err()));
    assert!(full.write_all(b".").is_err(), "somebody still reads");

    let mut process = Process::start(CHILD, "deadline", |command: &mut Command| {
        command.stderr(full);
    })?;
    assert_eq!(process.wait()?.code(), Some(1));
    Ok(())
}

#[cfg(unix)]
fn has_room(pipe: &io::PipeWriter) -> bool {
    use std::os::fd::AsRawFd;

    let mut entry = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid entry; no waiting.
    unsafe { libc::poll(&raw mut entry, 1, 0) == 1 }
}

#[test]
fn an_order_survives_packing_and_the_earlier_one_is_the_smaller_number() {
    for cause in [Cause::Deadline, Cause::Forced, Cause::Finished] {
        for code in [0, 1, 255] {
            for at in [Duration::ZERO, Duration::from_micros(1), LATER] {
                let packed = Deadline { at, cause, code }.pack();
                let deadline = Deadline::unpack(packed);
                assert_eq!((deadline.at, deadline.cause, deadline.code), (at, cause, code));
                assert!(
                    packed
                        < Deadline { at: at + Duration::from_micros(1), cause: Cause::Forced, code: 0 }
                            .pack()
                );
            }
            assert!(Deadline { at: Duration::MAX, cause, code }.pack() < super::DISARMED);
        }
    }
}

/// Windows writes none.
fn line(text: &str) -> String {
    if cfg!(windows) { String::new() } else { text.to_owned() }
}
