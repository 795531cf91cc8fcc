//! Blocked threads, and a process that is stopped.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    child::{self, DEADLINE, HANGS},
    stage::{FORCED, GRACE},
    system::kill,
};
use crate::support::{App, Client, PAST_COALESCE, Watch, wait_until};

const BY_THE_HARD_STOP: &str = "(by the hard stop)";

#[test]
fn the_systems_own_thread_is_blocked() {
    let app = child::start("the system's own thread is blocked");
    assert_eq!(Client::get(app.business, "/block-the-system").status, 200);
    let mut request = app.in_flight("/slow");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    assert_eq!(request.read().expect("it is answered").text(), "done");
    let ended = app.wait();
    // The request's 300 ms, and the hard stop's 250 ms for a process that does not end after its last phase.
    watch.check("the exit", ended.at - signalled, DEADLINE);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "clean");
}

#[test]
fn the_supervisors_thread_is_blocked() {
    let app = child::start("the supervisor's thread is blocked");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    let took = ended.at - signalled;
    assert!(took >= DEADLINE, "{took:?}: the hard stop does not act before the deadline");
    watch.check("the hard stop", took, DEADLINE + GRACE);
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
    assert!(ended.has(BY_THE_HARD_STOP), "{}", ended.text());
    assert!(!ended.folder.path().join("report.json").exists(), "the hard stop writes no report");
}

#[test]
fn a_second_signal_while_the_supervisors_thread_is_blocked() {
    let app = child::start("the supervisor's thread is blocked");
    app.signal(libc::SIGTERM);
    app.wait_for("never: timed out");
    thread::sleep(PAST_COALESCE);
    let watch = Watch::start();
    let second = app.signal(libc::SIGINT);
    let ended = app.wait();
    watch.check("the hard stop", ended.at - second, FORCED);
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
    assert!(ended.has("forced to exit (by the hard stop)"), "{}", ended.text());
}

#[test]
fn minutes_of_web_block() {
    let app = child::start("minutes of web::block");
    let _request = app.in_flight("/web-block");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check("the exit", ended.at - signalled, DEADLINE + GRACE);
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    assert_eq!(ended.report()["servers"][1]["abandoned"][0]["path"], "/web-block");
}

#[test]
fn a_callback_blocks_its_thread() {
    let app = child::start("a callback blocks its thread");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check("the exit", ended.at - signalled, DEADLINE);
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let report = ended.report();
    assert_eq!(report["callbacks"][0]["outcome"], "timed_out");
    assert_eq!(report["callbacks"][1]["outcome"], "done");
}

#[test]
fn the_allocator_hangs() {
    for second in [false, true] {
        let app = child::start("the allocator hangs");
        let watch = Watch::start();
        let signalled = app.signal(libc::SIGTERM);
        wait_until("it hangs", || app.path(HANGS).exists());
        thread::sleep(PAST_COALESCE);
        let (from, bound) =
            if second { (app.signal(libc::SIGTERM), FORCED) } else { (signalled, DEADLINE + GRACE) };
        let ended = app.wait();
        watch.check("the hard stop", ended.at - from, bound);
        assert_eq!(ended.code(), Some(1), "{}", ended.text());
        assert!(ended.has(BY_THE_HARD_STOP), "{}", ended.text());
    }
}

#[test]
fn the_logs_flush_hangs_or_panics() {
    for part in ["the log's flush hangs", "the log's flush panics"] {
        let app = child::start(part);
        let watch = Watch::start();
        let signalled = app.signal(libc::SIGTERM);
        let ended = app.wait();
        // The sequence is complete and logged; only the process's end is the hard stop's.
        watch.check(part, ended.at - signalled, DEADLINE);
        assert_eq!(ended.code(), Some(0), "{part}: {}", ended.text());
        assert_eq!(ended.report()["outcome"], "clean", "{part}");
    }
}

#[test]
fn a_process_that_is_stopped_for_a_while_goes_on_with_its_drain() {
    let app = App::start(&["shutdown.timeout=20s", "shutdown.drain_timeout=10s"]);
    let mut request = app.in_flight("/slow?ms=1000");
    app.signal(libc::SIGTERM);
    app.wait_for_phase("drain");
    kill(app.id(), libc::SIGSTOP);
    thread::sleep(Duration::from_millis(300));
    kill(app.id(), libc::SIGCONT);
    assert_eq!(request.read().expect("it is answered").text(), "done");
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "clean");
}

#[test]
fn a_process_that_is_stopped_beyond_its_deadline_ends_as_soon_as_it_runs_again() {
    let app = App::start(&["shutdown.timeout=1s"]);
    assert_eq!(Client::put(app.business, "/cache/key", b"x").status, 204);
    let _request = app.in_flight("/slow?ms=60000");
    let signalled = app.signal(libc::SIGTERM);
    app.wait_for_phase("drain");
    kill(app.id(), libc::SIGSTOP);
    let over = signalled + Duration::from_millis(1500);
    thread::sleep(over.saturating_duration_since(Instant::now()));
    let watch = Watch::start();
    let continued = kill(app.id(), libc::SIGCONT);
    let ended = app.wait();
    watch.check("the end", ended.at - continued, GRACE);
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
    // Both the deadline and the hard stop's have passed: which acts first is up to the scheduler, and only the former
    // writes a report.
    if ended.folder.path().join("report.json").exists() {
        assert_eq!(ended.report()["outcome"], "timed_out");
    } else {
        assert!(ended.has(BY_THE_HARD_STOP) || ended.has("out of time"), "{}", ended.text());
    }
}
