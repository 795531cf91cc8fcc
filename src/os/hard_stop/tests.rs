//! The hard stop in processes of its own: it ends each in time, whatever is blocked.

use std::io::{self, Read};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::{Cause, Deadline, HardStop, Messages, exit_immediately};
use crate::os::process::{Process, TestResult, part, say, wait_for_order};

const CHILD: &str = "os::hard_stop::tests::child";
const LATER: Duration = Duration::from_secs(3600);

#[test]
fn child() -> TestResult {
    let Some(part) = part() else { return Ok(()) };
    #[cfg(unix)]
    // SAFETY: the handler is a plain function.
    unsafe {
        libc::atexit(hang);
    }
    let hard_stop = HardStop::start(Messages {
        deadline: b"deadline passed\n".to_vec(),
        forced: b"forced\n".to_vec(),
        after_run: b"after run\n".to_vec(),
    })?;
    let soon = Duration::from_millis(50);
    match part.as_str() {
        "now" => exit_immediately(7),
        "not armed" => {}
        "deadline" => hard_stop.arm(Cause::Deadline, soon, 1),
        "finished" => hard_stop.arm(Cause::Finished, soon, 3),
        "earlier last" => {
            hard_stop.arm(Cause::Deadline, LATER, 1);
            say("armed");
            thread::yield_now();
            hard_stop.arm(Cause::Forced, soon, 5);
        }
        "earlier first" => {
            hard_stop.arm(Cause::Forced, soon, 5);
            hard_stop.arm(Cause::Deadline, LATER, 1);
        }
        "handle dropped" => {
            hard_stop.arm(Cause::Forced, soon, 5);
            drop(hard_stop);
        }
        "rearmed later" => {
            hard_stop.arm(Cause::Deadline, soon, 1);
            hard_stop.rearm(Cause::AfterRun, 2 * soon, 5);
        }
        "rearmed when forced" => {
            hard_stop.arm(Cause::Forced, soon, 5);
            hard_stop.rearm(Cause::AfterRun, LATER, 1);
        }
        "exit that hangs" => {
            hard_stop.arm(Cause::AfterRun, LATER, 1);
            say("exits");
            super::exit(5);
        }
        "retired" => {
            hard_stop.retire();
            hard_stop.arm(Cause::Forced, soon, 5);
            say("retired");
        }
        "no end of time" => {
            hard_stop.arm(Cause::Deadline, Duration::MAX, 1);
            hard_stop.arm(Cause::Forced, soon, 5);
        }
        "locks held" => {
            hard_stop.arm(Cause::Forced, soon, 5);
            // `process::exit` would wait for these.
            let _locks = (io::stdout().lock(), io::stderr().lock());
            loop {
                thread::park();
            }
        }
        _ => return Err("an unknown part".into()),
    }
    say("blocked");
    if part == "not armed" || part == "retired" {
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
fn the_hard_stop_ends_a_blocked_process_with_the_causes_code_and_line() -> TestResult {
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
fn rearming_puts_it_off_but_nothing_puts_off_a_second_signal() -> TestResult {
    assert_eq!(played("rearmed later")?, (Some(5), line("after run\n")));
    assert_eq!(played("rearmed when forced")?, (Some(5), line("forced\n")));
    Ok(())
}

/// On Unix the handler of `atexit` hangs.
#[test]
fn an_exit_that_hangs_is_ended_with_its_own_code() -> TestResult {
    assert_eq!(played("exit that hangs")?, (Some(5), String::new()));
    Ok(())
}

/// Its thread has ended by the time at which the process would.
#[test]
fn a_retired_hard_stop_does_nothing() -> TestResult {
    let mut process = Process::start(CHILD, "retired", |_| {})?;
    assert_eq!(process.line()?, "retired");
    #[cfg(target_os = "linux")]
    while has_thread(process.id(), "hard-stop")? {
        thread::yield_now();
    }
    process.order()?;
    assert_eq!(process.wait()?.code(), Some(9));
    Ok(())
}

#[cfg(target_os = "linux")]
fn has_thread(process: u32, name: &str) -> io::Result<bool> {
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // One that ends meanwhile cannot be read.
        let found = std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
        if found.trim_end() == name {
            return Ok(true);
        }
    }
    Ok(false)
}

#[test]
fn a_hard_stop_that_is_not_armed_does_nothing() -> TestResult {
    let mut process = Process::start(CHILD, "not armed", |_| {})?;
    process.line()?;
    process.order()?;
    assert_eq!(process.wait()?.code(), Some(9));
    Ok(())
}

/// A full pipe that is not read, and one whose reader has left.
#[cfg(unix)]
#[test]
fn standard_error_cannot_delay_the_hard_stop() -> TestResult {
    use std::io::Write;

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
    assert_eq!(process.wait()?.code(), Some(1));
    drop(unread);
    assert!(filling.join().is_ok_and(|written| written.is_err()));
    assert!(full.write_all(b".").is_err(), "it still has a reader");

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
    for cause in [Cause::Deadline, Cause::Forced, Cause::Finished, Cause::AfterRun] {
        for code in [0, 1, 255] {
            for at in [Duration::from_micros(1), Duration::from_micros(2), LATER] {
                let packed = Deadline { at, cause, code }.pack();
                let deadline = Deadline::unpack(packed);
                assert_eq!((deadline.at, deadline.cause, deadline.code), (at, cause, code));
                assert!(
                    packed
                        < Deadline { at: at + Duration::from_micros(1), cause: Cause::Forced, code: 0 }
                            .pack()
                );
            }
            let between = super::RETIRED + 1..super::DISARMED;
            for at in [Duration::ZERO, Duration::MAX] {
                assert!(between.contains(&Deadline { at, cause, code }.pack()));
            }
        }
    }
}

/// Windows writes none.
fn line(text: &str) -> String {
    if cfg!(windows) { String::new() } else { text.to_owned() }
}
