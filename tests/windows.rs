//! Console control events of Windows start, force and end the exit.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{App, Client, PAST_COALESCE, control::EVENTS, folder, side_by_side, stop};

const CTRL_C: u32 = 0;
const CTRL_BREAK: u32 = 1;
const CTRL_CLOSE: u32 = 2;

/// Windows ends the process as soon as the handler of one of the last three events returns, so the handler must not
/// return before the exit is done. The next process reads the cached value from the store.
#[test]
fn each_event_ends_the_process_in_order_and_the_last_three_are_held_until_then() {
    side_by_side(&EVENTS, |&(name, event)| {
        let app = App::start(&[]);
        assert_eq!(Client::put(app.business, "/cache/key", name.as_bytes()).status, 204);
        let mut late = Client::connect(app.business);
        late.send("GET", "/", &[]).expect("the request is sent");
        assert_eq!(late.read().expect("it is answered").status, 200);
        let mut request = app.in_flight("/slow?ms=2500");

        let sent = app.event(event);
        app.wait_for_phase("drain");
        late.send("GET", "/", &[]).expect("the request is sent");
        let rejection = late.read().expect("it is answered");
        assert_eq!((rejection.status, rejection.header("connection")), (503, Some("close")), "{name}");
        let is_ended_by_windows = event >= CTRL_CLOSE;
        assert_eq!(sent.is_held(), is_ended_by_windows, "{name}");

        let response = request.read().expect("the request in flight is answered");
        assert_eq!((response.status, response.text().as_str()), (200, "done"), "{name}");
        let ended = app.wait();
        // The code alone proves nothing: it is 0 as well if the system ends the process.
        assert_eq!(ended.code(), Some(0), "{name}: {}", ended.text());
        assert_eq!((&ended.report()["outcome"], &ended.report()["reason"]), (&"clean".into(), &name.into()));
        assert!(ended.has("shut down"), "{name}: {}", ended.text());

        let next = App::start_in(ended.folder.clone(), &[]);
        assert_eq!(Client::get(next.business, "/cache/key").text(), name);
        stop(next);
    });
}

#[test]
fn a_second_event_of_any_kind_forces_the_exit() {
    let mut pairs: Vec<_> = EVENTS.iter().map(|&(_, second)| (CTRL_C, second)).collect();
    pairs.push((CTRL_BREAK, CTRL_C));
    side_by_side(&pairs, |&(first, second)| {
        let app = App::start(&[]);
        let _request = app.in_flight("/slow?ms=60000");
        app.event(first);
        app.wait_for_phase("drain");
        std::thread::sleep(PAST_COALESCE);
        app.event(second);
        let ended = app.wait();
        assert_eq!(ended.code(), Some(1), "{first}, {second}: {}", ended.text());
        // On a busy machine the hard stop's 100 ms may be over before the report is written. On Windows the hard stop
        // writes no line.
        if ended.folder.path().join("report.json").exists() {
            assert_eq!(ended.report()["outcome"], "forced");
        }
    });
}

#[test]
fn the_deadline_is_kept_after_an_event_too() {
    let app = App::start(&["shutdown.timeout=1500ms"]);
    let _request = app.in_flight("/slow?ms=60000");
    let asked = Instant::now();
    let sent = app.event(CTRL_CLOSE);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "timed_out");
    assert!(ended.at >= asked + Duration::from_millis(1500), "{}", ended.text());
    drop(sent);
}

/// The hard stop's thread ends the process when the sequence cannot: every worker is blocked, and so is the flush.
#[test]
fn a_blocked_process_ends_at_the_second_event() {
    let app = App::start(&["demo.chaos=true", "servers.business.workers=1"]);
    let mut request = Client::connect(app.business);
    request.send("GET", "/chaos/block?ms=60000", &[]).expect("the request is sent");
    crate::support::wait_until("the worker is blocked", || app.count_in_flight() > 0);
    app.event(CTRL_BREAK);
    app.wait_for_phase("drain");
    std::thread::sleep(PAST_COALESCE);
    app.event(CTRL_BREAK);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
}

#[test]
fn an_event_that_the_settings_leave_out_has_its_default_effect() {
    let app = App::start(&[r#"shutdown.signals=["CTRL_C", "SIGTERM"]"#]);
    let _request = app.in_flight("/slow?ms=60000");
    app.event(CTRL_BREAK);
    let ended = app.wait();
    assert!(!ended.has("shutting down"), "{}", ended.text());
    assert!(!ended.folder.path().join("report.json").exists());
}

/// On Windows, too, a rename replaces a file, and the spool of a running process is locked.
#[test]
fn files_are_replaced_and_locked_as_elsewhere() {
    let folder = folder();
    fs::write(folder.path().join("report.json"), "an earlier report").expect("it is written");
    let app = App::start_in(folder.clone(), &["log.file=logs/app.log"]);
    let mut second = App::command(folder.path());
    second.args(["-s", "cache.store=sqlite://other.db"]);
    let refused = App::run(&folder, second);
    assert_eq!(refused.code(), Some(4), "{}", refused.text());
    assert!(refused.has("is held by another process"), "{}", refused.text());

    let ended = stop(app);
    assert_eq!(ended.report()["outcome"], "clean");
    let text = fs::read_to_string(folder.path().join("logs/app.log")).expect("the log");
    assert!(text.contains("shut down"), "{text}");
}

/// The default deadline is longer than Windows waits after a close event: the start and the plan warn of it.
#[test]
fn an_event_with_less_time_than_the_deadline_is_warned_of() {
    let told = "before shutdown.timeout (25.0s)";
    let ended = stop(App::start(&[]));
    assert!(ended.has(told), "{}", ended.text());
    let ended = stop(App::start(&["shutdown.timeout=4s", "shutdown.drain_timeout=1s"]));
    assert!(!ended.has("before shutdown.timeout"), "{}", ended.text());

    let folder = folder();
    let mut plan = crate::support::bare(folder.path());
    plan.arg("plan");
    let plan = crate::support::output(plan);
    assert_eq!(plan.status.code(), Some(0));
    let text = String::from_utf8_lossy(&plan.stdout);
    assert!(text.contains(told) && text.contains("CTRL_CLOSE"), "{text}");
}

/// A Windows service can be started only by the service manager.
#[test]
fn starting_the_service_by_hand_is_an_error_that_explains_it() {
    let folder = folder();
    let mut service = App::command(folder.path());
    service.arg("service");
    let refused = App::run(&folder, service);
    assert_eq!(refused.code(), Some(4), "{}", refused.text());
    assert!(refused.has("service manager"), "{}", refused.text());
}
