//! How an exit ends before its time: by a second signal, by the deadline; and what starts it.

use std::time::Duration;

use super::rig::{Exit, Lines, MS, Rig, SECOND, member, never, pass};
use crate::{
    actors::Job,
    locale::Language,
    report::{MemberReport, Report},
    sequence::{EndedBy, Kind, Outcome, PhaseKind, TaskStatus},
    server::Lifecycle,
    virtual_time::assert_virtual_time,
};

/// Longer than any deadline here.
const LONG: Duration = Duration::from_hours(1);
/// The length of a phase that only takes time.
const DELAY: Duration = Duration::from_millis(10);

/// An exit with every phase, of which this one hangs for longer than the deadline.
fn hangs_in(phase: PhaseKind) -> Rig {
    let mut rig = Rig::new();
    rig.delay_for(DELAY);
    *phase.timeout_mut(&mut rig.timeouts) = LONG;
    let web = rig.server("web", Kind::ServerFirst);
    let admin = rig.server("admin", Kind::ServerLast);
    let work =
        |kind| if kind == phase { member(|_| never()) } else { member(|_| super::rig::done_after(MS)) };
    rig.job(Job::callback("flush", work(PhaseKind::Callbacks).recipient()));
    rig.job(Job::resource("pool", work(PhaseKind::Release).recipient()));
    match phase {
        PhaseKind::Drain => web.drain().gate.admit(0).expect("it is open"),
        // Connections that no task serves never close.
        PhaseKind::CloseServers => std::mem::forget(web.drain().connections.register(0)),
        PhaseKind::CloseLast => std::mem::forget(admin.drain().connections.register(0)),
        // A job that is never done, or a delay.
        _ => {}
    }
    rig
}

#[track_caller]
fn assert_ended_in(report: &Report, phase: PhaseKind, by: EndedBy) {
    let last = report.phases.last().expect("a phase");
    assert_eq!((last.kind, last.ended_by), (phase, by));
    let of = |reports: &[MemberReport]| reports[0].status;
    let expected = |kind: PhaseKind| match kind.cmp(&phase) {
        std::cmp::Ordering::Less => TaskStatus::Done,
        std::cmp::Ordering::Equal => TaskStatus::CutOff,
        std::cmp::Ordering::Greater => TaskStatus::NotStarted,
    };
    assert_eq!(of(&report.callbacks), expected(PhaseKind::Callbacks));
    assert_eq!(of(&report.resources), expected(PhaseKind::Release));
}

#[actix_rt::test]
async fn a_server_that_is_not_drained_in_time_is_still_closed_and_one_that_does_not_close_is_disposed_of() {
    tokio::time::pause();
    let mut rig = Rig::new();
    (rig.timeouts.drain_timeout, rig.timeouts.stop_timeout) = (SECOND, SECOND);
    let web = rig.server("web", Kind::ServerFirst);
    rig.callback("flush", SECOND);
    web.drain().gate.admit(0).expect("it is open");
    // A connection that no task serves never closes.
    std::mem::forget(web.drain().connections.register(0));
    let exit = rig.start();
    exit.stop();
    exit.reach(PhaseKind::CloseServers).await;
    pass(MS).await;
    assert_eq!(web.lifecycle(), Lifecycle::Closing);
    exit.reach(PhaseKind::Callbacks).await;
    pass(MS).await;
    assert_eq!(web.lifecycle(), Lifecycle::Stopped);
    assert_eq!(exit.report().await.outcome, Outcome::Incomplete);
}

#[actix_rt::test]
async fn a_second_signal_forces_at_once_from_every_phase() {
    tokio::time::pause();
    let lines = Lines::keep();
    for &phase in PhaseKind::ALL {
        let rig = hangs_in(phase);
        let deadline = rig.timeouts.timeout;
        let exit = rig.start();
        exit.signal("SIGTERM");
        exit.reach(phase).await;
        pass(SECOND).await;
        let left = Duration::from_millis(exit.monitor.status().deadline_left_ms.expect("it has begun"));
        exit.signal("SIGINT");
        let report = exit.report().await;
        assert_eq!((report.outcome, report.exit_code), (Outcome::Forced, 101));
        assert_ended_in(&report, phase, EndedBy::Signal);
        assert_eq!(report.reason, "SIGTERM", "the first is the reason");
        assert_virtual_time(report.duration + left, deadline);
        assert_eq!(lines.all().last().map(String::as_str), Some("forced to exit"));
    }
}

#[actix_rt::test]
async fn a_signal_right_after_the_first_is_the_same_request() {
    tokio::time::pause();
    let mut rig = Rig::new();
    rig.callback("flush", SECOND);
    let exit = rig.start();
    exit.signal("SIGHUP");
    for _ in 0..5 {
        pass(9 * MS).await;
        exit.signal("SIGTERM");
    }
    let report = exit.report().await;
    assert_eq!(report.outcome, Outcome::Clean);
    assert_eq!(report.reason, "SIGHUP");
}

#[actix_rt::test]
async fn a_signal_after_the_time_for_the_same_request_forces() {
    tokio::time::pause();
    let mut rig = Rig::new();
    rig.callback("flush", SECOND);
    let exit = rig.start();
    exit.signal("SIGHUP");
    pass(52 * MS).await;
    exit.signal("SIGTERM");
    assert_eq!(exit.report().await.outcome, Outcome::Forced);
}

#[actix_rt::test]
async fn a_request_to_stop_is_no_signal() {
    tokio::time::pause();
    let (exit, started) = stopped_and_signalled_once().await;
    assert_eq!(exit.monitor.status().phase, "callbacks", "the first signal after it does not force");
    exit.signal("SIGINT");
    let report = exit.report().await;
    assert_eq!(report.outcome, Outcome::Forced);
    assert_eq!(report.reason, "asked");
    assert_virtual_time(started.elapsed(), 3 * SECOND);

    let (exit, _) = stopped_and_signalled_once().await;
    exit.stop();
    assert_eq!(exit.report().await.outcome, Outcome::Clean, "nor does asking again");
}

async fn stopped_and_signalled_once() -> (Exit, tokio::time::Instant) {
    let mut rig = Rig::new();
    rig.timeouts.callback_timeout = 10 * SECOND;
    rig.callback("flush", 5 * SECOND);
    let exit = rig.start();
    let started = tokio::time::Instant::now();
    exit.stop();
    pass(SECOND).await;
    exit.stop();
    exit.signal("SIGTERM");
    pass(2 * SECOND).await;
    (exit, started)
}

#[actix_rt::test]
async fn the_deadline_ends_every_phase_and_names_whom_it_cuts_off() {
    tokio::time::pause();
    let lines = Lines::keep();
    for &phase in PhaseKind::ALL {
        let mut rig = hangs_in(phase);
        rig.timeouts.timeout = 8 * SECOND;
        let before = lines.all().len();
        let report = rig.run().await;
        assert_eq!((report.outcome, report.exit_code), (Outcome::TimedOut, 102));
        assert_ended_in(&report, phase, EndedBy::Deadline);
        assert_virtual_time(report.duration, 8 * SECOND);
        let cut_off = match phase {
            PhaseKind::CloseServers => Some("server web: timed out"),
            PhaseKind::Callbacks => Some("flush: timed out"),
            PhaseKind::Release => Some("releasing pool: timed out"),
            PhaseKind::CloseLast => Some("server admin: timed out"),
            // A server that drains is not named: its requests are, one by one. A delay has no member.
            _ => None,
        };
        assert_eq!(lines.all()[before..], expected_log(phase, cut_off), "{phase:?}");
    }
}

/// The log of an exit that hangs in `hangs`.
fn expected_log(hangs: PhaseKind, cut_off: Option<&str>) -> Vec<String> {
    let mut log = vec!["shutting down: no new requests from here on".to_owned()];
    for &phase in PhaseKind::ALL.iter().take_while(|&&phase| phase <= hangs) {
        log.push(Language::En.phase(phase, if phase == hangs { LONG } else { DELAY }));
        let server = match phase {
            PhaseKind::CloseServers => "web",
            PhaseKind::CloseLast => "admin",
            _ => continue,
        };
        log.push(format!("server {server} is closing"));
        if phase != hangs {
            log.push(format!("server {server} is closed"));
        }
    }
    log.extend(cut_off.map(str::to_owned));
    log.push("out of time: forced to exit".to_owned());
    log
}

#[actix_rt::test]
async fn a_server_that_dies_starts_the_exit() {
    tokio::time::pause();
    let lines = Lines::keep();
    let mut rig = Rig::new();
    rig.server("web", Kind::ServerFirst);
    rig.server("admin", Kind::ServerLast);
    rig.callback("flush", SECOND);
    let exit = rig.start();
    let monitor = std::sync::Arc::clone(&exit.monitor);
    assert!(monitor.is_ready());
    exit.died(0);
    let report = exit.report().await;
    assert!(!monitor.is_ready());
    assert_eq!(report.reason, "server web failed");
    assert_eq!((report.outcome, report.exit_code), (Outcome::Incomplete, 103));
    assert_virtual_time(report.duration, SECOND);
    assert_eq!(
        lines.all(),
        [
            "server web failed",
            "shutting down: no new requests from here on",
            "waiting for the requests in flight",
            "closing the servers",
            "running the callbacks",
            "closing the last servers",
            "server admin is closing",
            "server admin is closed",
            "shut down, but not everything was finished",
        ]
    );
}

#[actix_rt::test]
async fn a_server_that_fails_answers_what_is_in_flight_and_stops_beside_the_exit() {
    tokio::time::pause();
    let mut rig = Rig::new();
    let web = rig.server("web", Kind::ServerFirst);
    rig.callback("flush", SECOND);
    web.drain().gate.admit(0).expect("it is open");
    let exit = rig.start();
    web.fail();
    assert_eq!(exit.report().await.reason, "server web failed");
    assert_eq!(web.lifecycle(), Lifecycle::Failed, "it waits for its request");
    web.drain().gate.leave(0, 1, true);
    tokio::time::timeout(LONG, web.stopped()).await.expect("it stops");
}

#[actix_rt::test]
async fn waiting_is_reported_each_interval_and_only_while_something_is_waited_for() {
    tokio::time::pause();
    let lines = Lines::keep();
    let mut rig = Rig::new();
    rig.progress_interval = SECOND;
    rig.timeouts.ready_delay = 1500 * MS;
    let web = rig.server("web", Kind::ServerFirst);
    web.drain().gate.admit(0).expect("it is open");
    rig.job(Job::worker("queue", member(|_| super::rig::done_after(2 * SECOND)).recipient()));
    rig.job(Job::callback("brief", member(|_| never()).recipient()).timeout(1200 * MS));
    rig.job(Job::callback("long", member(|_| super::rig::done_after(2400 * MS)).recipient()));
    let exit = rig.start();
    pass(5 * SECOND).await;
    assert!(lines.all().is_empty(), "nothing is waited for while it serves");
    exit.stop();
    pass(2200 * MS).await;
    web.drain().gate.leave(0, 1, true);
    assert_eq!(exit.report().await.outcome, Outcome::Incomplete);
    pass(10 * SECOND).await;
    // The drain ends at 3.5 s, the brief callback at 4.7 s, the long one at 5.9 s.
    let waiting = |line: &String| line.starts_with("still waiting");
    assert_eq!(
        lines.all().into_iter().filter(waiting).collect::<Vec<_>>(),
        [
            "still waiting for 1 request; 9.5s left",
            "still waiting for worker queue; 9.5s left",
            "still waiting for worker queue; 8.5s left",
            "still waiting for brief, long; 2.5s left",
            "still waiting for long; 1.5s left",
        ]
    );
}
