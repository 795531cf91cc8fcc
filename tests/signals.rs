//! Which signals start the exit, and which force it.

#[cfg(target_os = "linux")]
mod terminal;

use std::{
    os::unix::process::ExitStatusExt,
    thread,
    time::{Duration, Instant},
};

use graceful_exit::sequence::PhaseKind;

use crate::support::{
    App, Client, PAST_COALESCE, Watch, folder,
    phases::Held,
    sent_here, side_by_side,
    signals::{self, ALL, requests},
};

/// The limit for the median of many forced exits; the hard stop ends each after 100 ms.
const AT_ONCE: Duration = Duration::from_millis(200);

const QUICK: &str = "shutdown.timeout=60s";

fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}

#[test]
fn every_signal_of_the_list_starts_the_exit() {
    side_by_side(&requests(), |&(name, signal)| {
        let app = App::start(&[]);
        let mut request = app.in_flight("/slow?ms=300");
        app.signal(signal);
        assert_eq!(request.read().expect("the request in flight is answered").status, 200, "{name}");
        let ended = app.wait();
        assert_eq!(ended.code(), Some(0), "{name}: {}", ended.text());
        assert_eq!(ended.report()["reason"], sent_here(name));
        assert_eq!(ended.report()["outcome"], "clean", "{name}");
    });
}

#[test]
fn a_second_signal_of_the_same_or_another_kind_forces_at_once() {
    let all = requests();
    let same = all.iter().map(|&(_, signal)| (signal, signal));
    let other = all.iter().zip(all.iter().cycle().skip(1)).map(|(&(_, first), &(_, second))| (first, second));
    let watch = Watch::start();
    let mut times: Vec<_> = same.chain(other).map(|(first, second)| time_to_force(first, second)).collect();
    times.sort_unstable();
    watch.check("the median of the forced exits", times[times.len() / 2], AT_ONCE);
    watch.check("the slowest forced exit", times[times.len() - 1], AT_ONCE * 5);
}

fn time_to_force(first: i32, second: i32) -> Duration {
    let app = App::start(&[QUICK, "shutdown.drain_timeout=60s"]);
    let _request = app.in_flight("/slow?ms=60000");
    app.signal(first);
    app.wait_for_phase("drain");
    thread::sleep(PAST_COALESCE);
    let forced = app.signal(second);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1), "{first}, then {second}: {}", ended.text());
    assert!(ended.has("forced to exit"), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "forced");
    ended.at - forced
}

#[test]
fn two_signals_within_the_coalesce_time_are_one_request() {
    let app = App::start(&["shutdown.coalesce=10s"]);
    let mut request = app.in_flight("/slow?ms=800");
    let first = app.signal(libc::SIGHUP);
    thread::sleep(Duration::from_millis(5));
    app.signal(libc::SIGTERM);
    app.signal(libc::SIGCONT);
    sleep_until(first + Duration::from_millis(100));
    app.signal(libc::SIGHUP);
    assert_eq!(request.read().expect("the request in flight is answered").status, 200);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.report()["reason"], sent_here("SIGHUP"));
}

#[test]
fn the_two_signals_of_a_closing_terminal_are_one_request() {
    let app = App::start(&[]);
    let mut request = app.in_flight("/slow?ms=400");
    // Both are pending when the process runs again, however busy the machine is.
    for signal in [libc::SIGSTOP, libc::SIGINT, libc::SIGHUP, libc::SIGCONT] {
        app.signal(signal);
    }
    assert_eq!(request.read().expect("the request in flight is answered").status, 200);
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn a_signal_after_a_longer_coalesce_time_forces() {
    let app = App::start(&["shutdown.coalesce=1s", QUICK, "shutdown.drain_timeout=60s"]);
    let _request = app.in_flight("/slow?ms=60000");
    let first = app.signal(libc::SIGTERM);
    sleep_until(first + Duration::from_millis(300));
    app.signal(libc::SIGTERM);
    sleep_until(first + Duration::from_millis(900));
    assert_eq!(app.status()["phase"], "drain", "the second one was the same request");
    sleep_until(first + Duration::from_millis(1050));
    app.signal(libc::SIGTERM);
    assert_eq!(app.wait().code(), Some(1));
}

#[test]
fn an_exit_started_over_http_is_forced_by_the_second_signal_not_by_the_first() {
    let app = App::start(&[QUICK, "shutdown.drain_timeout=60s"]);
    let mut request = app.in_flight("/slow?ms=1500");
    let _other = app.in_flight("/slow?ms=60000");
    let post = || Client::request(app.admin, "POST", "/shutdown", &[("Content-Length", "0")], b"").status;
    assert_eq!(post(), 202);
    app.wait_for_phase("drain");
    let first = app.signal(libc::SIGTERM);
    assert_eq!(request.read().expect("still graceful").status, 200);
    assert_eq!(post(), 202, "a repeated one");
    // The test cannot see when the signal was caught.
    sleep_until(first + PAST_COALESCE * 5);
    assert_eq!(app.status()["phase"], "drain", "still graceful");
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "forced");
    let reason = ended.report()["reason"].to_string();
    assert!(reason.contains("POST /shutdown from 127.0.0.1:"), "{reason}");
}

#[test]
fn one_signal_after_an_exit_started_over_http_leaves_it_clean() {
    let app = App::start(&[]);
    let mut request = app.in_flight("/slow?ms=500");
    Client::request(app.admin, "POST", "/shutdown", &[("Content-Length", "0")], b"");
    app.wait_for_phase("drain");
    app.signal(libc::SIGINT);
    assert_eq!(request.read().expect("still graceful").status, 200);
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn a_second_signal_forces_in_every_phase() {
    side_by_side(PhaseKind::ALL, |&phase| {
        let held = Held::in_phase(phase);
        held.app.signal(libc::SIGTERM);
        held.reach(phase);
        thread::sleep(PAST_COALESCE);
        held.app.signal(libc::SIGINT);
        let ended = held.app.wait();
        assert_eq!(ended.code(), Some(1), "{phase:?}: {}", ended.text());
        let report = ended.report();
        assert_eq!(report["outcome"], "forced", "{phase:?}");
        let last = report["phases"].as_array().and_then(|phases| phases.last()).expect("a phase");
        assert_eq!((&last["name"], &last["ended_by"]), (&phase.name().into(), &"signal".into()));
    });
}

#[test]
fn a_signal_that_is_not_in_the_list_keeps_its_default() {
    let app = App::start(&["shutdown.signals=[\"SIGTERM\"]"]);
    app.signal(libc::SIGHUP);
    let ended = app.wait();
    assert_eq!(ended.status.signal(), Some(libc::SIGHUP), "{}", ended.text());
    let app = App::start(&["shutdown.signals=[\"SIGTERM\", \"CTRL_C\"]"]);
    app.signal(libc::SIGTERM);
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn a_parent_that_blocked_a_signal_changes_nothing() {
    let folder = folder();
    let mut command = App::command(folder.path());
    signals::blocked(&mut command, libc::SIGTERM);
    let app = App::start_command(folder, command);
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.report()["reason"], sent_here("SIGTERM"));
}

#[test]
fn hup_int_and_quit_stay_ignored_where_they_were_inherited_as_ignored_and_nothing_else_does() {
    let folder = folder();
    let mut command = App::command(folder.path());
    for (_, signal) in ALL {
        signals::ignored(&mut command, signal);
    }
    let app = App::start_command(folder, command);
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        app.signal(signal);
    }
    // The signals of one process are delivered before its next system call returns.
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
    thread::sleep(PAST_COALESCE);
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.report()["reason"], sent_here("SIGTERM"));
}
