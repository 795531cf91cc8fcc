//! The overall deadline ends the process, whichever part of it hangs.

use std::time::Duration;

use crate::support::{App, Client, Ended, side_by_side};

/// `shutdown.timeout` here. How long after it the process ends is measured by `faults::threads`, with the machine's load.
const DEADLINE: Duration = Duration::from_millis(1500);

/// What hangs, and the settings that make it hang for longer than a test waits for the process.
const HANGING: [(&str, &[&str]); 5] = [
    ("a handler", &["shutdown.drain_timeout=60s"]),
    ("a worker thread", &["shutdown.drain_timeout=60s", "demo.chaos=true", "servers.business.workers=1"]),
    (
        "a worker thread while the servers close",
        &[
            "shutdown.drain_timeout=100ms",
            "shutdown.stop_timeout=60s",
            "demo.chaos=true",
            "servers.business.workers=1",
        ],
    ),
    ("a callback", &["demo.flush_delay=60s", "shutdown.callback_timeout=60s"]),
    ("the release", &["demo.release_delay=60s", "shutdown.release_timeout=60s"]),
];

#[test]
fn it_passes_whatever_hangs() {
    side_by_side(&HANGING, |&(what, settings)| {
        let app = App::start(&[settings, &["shutdown.timeout=1500ms"]].concat());
        let _request = match what {
            "a handler" => Some(app.in_flight("/slow?ms=60000")),
            "a worker thread" | "a worker thread while the servers close" => {
                Some(app.in_flight("/chaos/block?ms=60000"))
            }
            _ => None,
        };
        let signalled = app.signal_to_stop();
        let ended = app.wait();
        assert!(ended.at >= signalled + DEADLINE, "{what}: {}", ended.text());
        assert_eq!(ended.code(), Some(1), "{what}: {}", ended.text());
        assert!(ended.has("out of time"), "{what}: {}", ended.text());
        // On a busy machine the hard stop may come first. It writes no report, and its line says so.
        if ended.has("(by the hard stop)") {
            return;
        }
        assert_eq!(ended.report()["outcome"], "timed_out", "{what}");
        names_what_was_cut_off(what, &ended);
    });
}

fn names_what_was_cut_off(what: &str, ended: &Ended) {
    let report = ended.report();
    let last = report["phases"].as_array().and_then(|phases| phases.last()).expect("a phase");
    assert_eq!(last["ended_by"], "deadline", "{what}");
    let abandoned = &report["servers"][1]["abandoned"];
    match what {
        "a handler" => assert_eq!(abandoned[0]["path"], "/slow"),
        "a callback" => assert_eq!(report["callbacks"][0]["outcome"], "cut_off"),
        "the release" => assert_eq!(report["resources"][0]["outcome"], "cut_off"),
        _ => assert_eq!(abandoned[0]["path"], "/chaos/block"),
    }
}

#[test]
fn a_blocked_worker_does_not_keep_the_rest_of_the_exit_from_happening() {
    let app = App::start(&[
        "demo.chaos=true",
        "servers.business.workers=1",
        "shutdown.drain_timeout=200ms",
        "shutdown.stop_timeout=300ms",
    ]);
    assert_eq!(Client::put(app.business, "/cache/kept", b"x").status, 204);
    let _request = app.in_flight("/chaos/block?ms=60000");
    app.signal_to_stop();
    let ended = app.wait();
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let report = ended.report();
    assert_eq!(report["outcome"], "incomplete");
    assert_eq!(report["callbacks"][0]["outcome"], "done", "the flush does not depend on the worker");
    assert_eq!(report["phases"][1]["ended_by"], "timeout", "the server could not close");
    let next = App::start_in(ended.folder, &[]);
    assert_eq!(Client::get(next.business, "/cache/kept").text(), "x");
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_with_every_worker_blocked() {
    let app = App::start(&[
        "demo.chaos=true",
        "servers.business.workers=2",
        "shutdown.drain_timeout=60s",
        "shutdown.timeout=100s",
    ]);
    let _first = app.in_flight("/chaos/block?ms=60000");
    let mut taken = Vec::new();
    // The test cannot choose the worker of a connection: it tries until both are blocked.
    while app.count_in_flight() < 2 {
        let mut client = Client::connect(app.business);
        client.send("GET", "/chaos/block?ms=60000", &[]).expect("the request is sent");
        taken.push(client);
        std::thread::sleep(Duration::from_millis(20));
        assert!(taken.len() < 200, "one worker takes them all");
    }
    app.signal(libc::SIGTERM);
    app.wait_for_phase("drain");
    std::thread::sleep(crate::support::PAST_COALESCE);
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1), "{}", ended.text());
    assert_eq!(ended.report()["outcome"], "forced");
}
