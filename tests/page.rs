//! The live page in a real browser, and the events that feed it.

mod browser;

use std::time::Duration;

use serde_json::Value;

use self::browser::Browser;
use crate::support::{App, Client, PAST_COALESCE, wait_until};

const SLOW_FLUSH: &str = "demo.flush_delay=700ms";

#[test]
fn the_page_shows_a_request_and_the_whole_exit_and_how_it_ended() {
    let test = "the page of an exit";
    let Some(browser) = Browser::start(test, "en-US") else { return };
    let app = App::start(&[SLOW_FLUSH]);
    browser.open(app.admin);
    browser.wait_for("#headline", "Serving");
    assert_eq!(browser.text("#link-text"), "live");
    assert_eq!(browser.run("return document.documentElement.lang"), "en");

    // A request is shown while it is in flight, and then is not.
    let mut first = app.in_flight("/stream?n=1&ms=900");
    browser.wait_for(".server:last-child .oldest", "GET /stream");
    first.read().expect("an answer");
    browser.wait_for(".server:last-child .oldest", "No request in flight");

    // The exit, from the button to the end.
    let mut last = app.in_flight("/slow?ms=2500");
    browser.click("#stop");
    browser.wait_until("document.getElementById('ask').open");
    assert!(browser.text("#token-label").is_empty(), "no token is set, none is asked for");
    browser.click("#ask-yes");
    browser.wait_for("#headline", "Draining");
    browser.wait_for("#detail", "the oldest is GET /slow");
    browser.wait_until("document.querySelector('.phase').dataset.state === 'running'");
    browser.wait_until("parseFloat(document.querySelector('.phase .gone').style.width) > 0");
    assert!(browser.text("#clock-label").contains("until the deadline of 25 s"));
    assert!(browser.text("#stop").is_empty(), "there is nothing more to ask for");
    last.read().expect("an answer");
    browser.wait_for("#headline", "Running callbacks");
    browser.wait_for("#jobs .chip", "running");
    browser.wait_for("#headline", "Ended: clean, exit code 0");
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));

    // The process is gone, and the page stands.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(browser.text("#headline"), "Ended: clean, exit code 0");
    assert!(
        browser
            .text("#detail")
            .contains("The process is gone. The exit was asked for by POST /shutdown from 127.0.0.1:")
    );
    assert_eq!(browser.text("#jobs .chip"), "done");
    let over = browser
        .run("return [...document.querySelectorAll('.phase')].every((it) => it.dataset.state === 'over')");
    assert_eq!(over, true, "{}", browser.text("#phases"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_button_asks_for_the_token_where_one_is_set() {
    let Some(browser) = Browser::start("the button with a token", "en-US") else { return };
    let app = App::start(&["admin.token=correct-horse-battery"]);
    browser.open(app.admin);
    browser.wait_for("#headline", "Serving");

    // With the keyboard only: the dialog takes the focus, and Escape returns it.
    browser.run("document.getElementById('stop').focus()");
    browser.type_text("\u{e007}");
    browser.wait_until("document.activeElement.id === 'token'");
    browser.type_text("\u{e00c}");
    browser.wait_until("!document.getElementById('ask').open && document.activeElement.id === 'stop'");

    browser.type_text("\u{e007}");
    browser.wait_until("document.activeElement.id === 'token'");
    browser.type_text("wrong\u{e007}");
    browser.wait_for("#ask-error", "This token is not the one that is set.");
    assert_eq!(app.status()["phase"], "running");
    browser.run("document.getElementById('token').value = ''");
    browser.type_text("correct-horse-battery\u{e007}");
    browser.wait_for("#headline", "Ended: clean, exit code 0");
    assert_eq!(app.wait().code(), Some(0));
    // The 401 of the wrong token is the only message on the console.
    assert!(browser.complaints().iter().all(|it| it.contains("401")), "{:?}", browser.complaints());
}

#[test]
fn the_page_reconnects_and_says_when_it_cannot_know_the_outcome() {
    let Some(browser) = Browser::start("the page's connection", "zh-CN") else { return };
    let app = App::start(&[]);
    let bind = format!("servers.admin.bind={}", app.admin);
    browser.open(app.admin);
    browser.wait_for("#headline", "服务中");
    assert_eq!(browser.run("return document.documentElement.lang"), "zh-CN");
    let folder = app.kill();
    browser.wait_for("#link-text", "连接中断，正在重试");
    browser.wait_for("#detail", "以下是最后已知的状态");

    let app = App::start_in(folder, &[&bind, "servers.admin.stop=first", SLOW_FLUSH]);
    browser.wait_for("#link-text", "实时");
    browser.wait_for("#detail", "就绪");
    // A server that closes first cannot tell how the exit ends.
    app.signal_to_stop();
    browser.wait_for("#detail", "请查看日志和报告");
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn the_page_is_accessible_and_fits_its_screen() {
    let test = "the page's accessibility";
    let Some(browser) = Browser::start(test, "en-US") else { return };
    let app = App::start(&["shutdown.drain_timeout=60s", "shutdown.timeout=70s"]);
    let _request = app.in_flight("/slow?ms=60000");
    browser.open(app.admin);
    browser.wait_for(".server:last-child .oldest code", "GET /slow");
    for (theme, width) in [("light", 1120), ("dark", 1120), ("light", 400), ("dark", 400)] {
        browser.look(theme, width);
        let fits = browser.run("return document.documentElement.scrollWidth <= innerWidth");
        assert_eq!(fits, true, "{theme}, {width}: it scrolls sideways");
        assert_eq!(browser.inaccessible(test), [""; 0], "{theme}, {width}, serving");
    }
    browser.click("#stop");
    browser.wait_until("document.getElementById('ask').open");
    assert_eq!(browser.inaccessible(test), [""; 0], "the question");
    browser.click("#ask-yes");
    browser.wait_for("#headline", "Draining");
    for theme in ["light", "dark"] {
        browser.look(theme, 1120);
        assert_eq!(browser.inaccessible(test), [""; 0], "{theme}, draining");
    }
    app.signal_to_stop();
    wait_until("it is not coalesced", || !app.status()["reason"].is_null());
    std::thread::sleep(PAST_COALESCE);
    app.signal_to_stop();
    browser.wait_for("#headline", "Ended: forced, exit code 1");
    browser.wait_for(".server:last-child .oldest", "cut off after");
    for theme in ["light", "dark"] {
        browser.look(theme, 400);
        assert_eq!(browser.inaccessible(test), [""; 0], "{theme}, ended");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

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
    let app = App::start(&["servers.admin.stop=first"]);
    let mut events_client = subscribe(&app);
    app.signal_to_stop();
    let events = events(&mut events_client);
    assert!(
        events.iter().all(|event| event["outcome"].is_null() || event["outcome"] == "clean"),
        "{events:?}"
    );
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));
    assert!(ended.report()["duration_ms"].as_u64() < Some(5_000), "{}", ended.report());
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

#[test]
fn the_page_is_one_answer_with_a_strict_policy() {
    let app = App::start(&[]);
    let page = Client::get(app.admin, "/");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(Client::head(app.admin, "/").body.len(), 0);
    assert_eq!(Client::head(app.admin, "/events").status, 200);
}
