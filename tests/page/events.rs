//! The stream of events that feeds the page.

use std::time::Duration;

use serde_json::Value;

use crate::support::{App, Client, PAST_COALESCE};

/// Reads the stream of events to its end.
fn events(client: &mut Client) -> Vec<Value> {
    let (status, headers) = client.read_head().expect("a head");
    assert_eq!(status, 200);
    assert!(headers.contains(&("content-type".into(), "text/event-stream".into())), "{headers:?}");
    let mut text = Vec::new();
    while let Some(chunk) = client.read_chunk().expect("it ends as it should") {
        text.extend(chunk);
    }
    let text = String::from_utf8(text).expect("text");
    text.split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .map(|json| serde_json::from_str(json).expect("JSON"))
        .collect()
}

fn subscribe(app: &App) -> Client {
    let mut client = Client::connect(app.admin);
    client.send("GET", "/events", &[]).expect("the request is sent");
    client
}

#[test]
fn the_last_event_has_the_outcome_and_exit_code_of_the_process() {
    // The outcome, the exit code, and the settings and number of signals that lead to it.
    let rows: [(&str, i32, &[&str], u32); 4] = [
        ("clean", 0, &[], 1),
        ("incomplete", 4, &["shutdown.drain_timeout=200ms", "exit_codes.incomplete=4"], 1),
        ("timed_out", 5, &["shutdown.timeout=300ms", "exit_codes.timed_out=5"], 1),
        ("forced", 6, &["exit_codes.forced=6"], 2),
    ];
    for (outcome, code, settings, signals) in rows {
        let app = App::start(settings);
        let _request = (outcome != "clean").then(|| app.in_flight("/slow?ms=60000"));
        let mut events_clients = [subscribe(&app), subscribe(&app)];
        for signal in 0..signals {
            if signal > 0 {
                std::thread::sleep(PAST_COALESCE);
            }
            app.signal_to_stop();
        }
        for events_client in &mut events_clients {
            let events = events(events_client);
            let last = events.last().expect("an event");
            assert_eq!((&last["outcome"], &last["exit_code"]), (&outcome.into(), &code.into()), "{last}");
            assert_eq!(last["phase"], "exited");
            assert!(events.iter().rev().skip(1).all(|event| event["outcome"].is_null()), "only the last one");
        }
        let ended = app.wait();
        assert_eq!(ended.code(), Some(code), "{outcome}");
        assert_eq!(ended.report()["outcome"], outcome);
    }
}

#[test]
fn an_event_stream_does_not_delay_a_server_that_closes_first() {
    let app =
        App::start(&["servers.admin.stop=first", "shutdown.drain_timeout=1h", "shutdown.stop_timeout=1h"]);
    let mut events_client = subscribe(&app);
    app.signal_to_stop();
    let events = events(&mut events_client);
    assert!(
        events.iter().all(|event| event["outcome"].is_null() || event["outcome"] == "clean"),
        "{events:?}"
    );
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn events_come_at_most_ten_a_second_and_only_for_a_change() {
    let app = App::start(&[]);
    let mut events_client = subscribe(&app);
    let (status, _) = events_client.read_head().expect("a head");
    assert_eq!(status, 200);
    events_client.read_chunk().expect("a first event");
    let start = std::time::Instant::now();
    let busy = std::thread::spawn({
        let business = app.business;
        move || {
            while start.elapsed() < Duration::from_secs(1) {
                Client::get(business, "/");
            }
        }
    });
    let mut count = 0;
    while start.elapsed() < Duration::from_secs(1) {
        events_client.read_chunk().expect("an event");
        count += 1;
    }
    busy.join().expect("no panic");
    assert!((1..=11).contains(&count), "{count} events in a second");
    // The last requests' event, and then none: the next read waits for a keep-alive comment.
    events_client.socket().set_read_timeout(Some(Duration::from_millis(700))).expect("a socket");
    let mut late = 0;
    while events_client.read_chunk().is_ok() {
        late += 1;
        assert!(late < 3, "nothing changes, and it goes on");
    }
}
