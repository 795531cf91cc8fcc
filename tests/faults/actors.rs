//! Failing callbacks, actors and supervisor, in one real process. Each failure by itself, with its timeout, is tested in
//! `actors::tests` under virtual time.

use serde_json::Value;

use super::{
    child::{self, CROWD, CROWDED, DEADLINE},
    stage::GRACE,
};
use crate::support::Watch;

#[test]
fn every_way_to_fail_at_once() {
    let app = child::start("every way to fail");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check("the exit", ended.at - signalled, DEADLINE);
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let report = ended.report();
    assert_eq!(report["outcome"], "incomplete");
    let expected = [
        ("works", "done", None),
        ("fails", "failed", Some("no disk")),
        ("panics", "panicked", Some("in a future")),
        ("never", "timed_out", None),
        ("blocks", "timed_out", None),
        ("actor panics", "panicked", Some("without an answer")),
        // Its answer is a future of its own, which goes on without the actor.
        ("actor stops", "timed_out", None),
        ("actor is gone", "unreachable", None),
        ("arbiter stops", "unreachable", None),
    ];
    let callbacks = report["callbacks"].as_array().expect("callbacks");
    assert_eq!(callbacks.len(), expected.len());
    for (callback, (name, outcome, error)) in callbacks.iter().zip(expected) {
        assert_eq!((&callback["name"], &callback["outcome"]), (&name.into(), &outcome.into()));
        if let Some(error) = error {
            let said = callback["error"].as_str().expect("an error");
            assert!(said.contains(error), "{name}: {said}");
        }
    }
    assert_eq!(report["resources"][0]["outcome"], "done", "the resource is released all the same");
}

#[test]
fn ten_thousand_callbacks() {
    let app = child::start("ten thousand callbacks");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check("the exit", ended.at - signalled, CROWDED / 2);
    assert_eq!(ended.code(), Some(0), "{}", ended.log.last().map_or("", |line| &line.text));
    let report = ended.report();
    let callbacks = report["callbacks"].as_array().expect("callbacks");
    assert_eq!(callbacks.len(), CROWD);
    assert!(callbacks.iter().all(|callback: &Value| callback["outcome"] == "done"));
}

#[test]
fn a_handler_panics_during_the_drain() {
    let app = child::start("minutes of web::block");
    let mut panics = app.in_flight("/panic");
    let mut works = app.in_flight("/slow");
    app.signal(libc::SIGTERM);
    panics.read().expect_err("its connection is closed");
    assert_eq!(works.read().expect("the other is answered").text(), "done");
    let ended = app.wait();
    assert!(ended.has("in the middle of the drain"), "{}", ended.text());
    let report = ended.report();
    assert_eq!(report["phases"][0]["ended_by"], "done", "the panic holds no drain: {report}");
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
}

#[test]
fn the_supervisor_panics() {
    let app = child::start("the supervisor panics");
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check("the hard stop", ended.at - signalled, DEADLINE + GRACE);
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
    assert!(ended.has("out of time: forced to exit (by the hard stop)"), "{}", ended.text());
    assert!(!ended.folder.path().join("report.json").exists(), "the hard stop writes no report");
}
