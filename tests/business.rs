//! The business server's routes, while it serves and while it drains.

use std::time::Duration;

use crate::support::{App, Client, Response, stop};

const LARGEST: usize = 256 * 1024;

fn plain(response: &Response) -> (u16, &str) {
    (response.status, response.header("content-type").unwrap_or_default())
}

#[test]
fn every_route_answers_get_and_head() {
    let app = App::start(&["demo.chaos=true"]);
    Client::put(app.business, "/cache/a", b"value");
    for (path, body) in [
        ("/", "graceful-exit: the business server\n"),
        ("/slow?ms=1", "done"),
        ("/stream?n=3&ms=1", "1\n2\n3\n"),
        ("/cache/a", "value"),
        ("/chaos/block?ms=1", "blocked\n"),
    ] {
        let got = Client::get(app.business, path);
        assert_eq!((got.status, got.text().as_str()), (200, body), "{path}");
        let head = Client::head(app.business, path);
        assert_eq!((head.status, head.text().as_str()), (200, ""), "HEAD {path}");
        assert_eq!(head.header("content-type"), got.header("content-type"), "HEAD {path}");
    }
    assert_eq!(Client::head(app.business, "/events").status, 200);
    assert_eq!(Client::get(app.business, "/cache/none").status, 404);
    assert_eq!(Client::head(app.business, "/cache/none").status, 404);
    let (got, head) = (Client::get(app.business, "/ws"), Client::head(app.business, "/ws"));
    assert_eq!((got.status, head.status, head.text().as_str()), (400, 400, ""), "not without an upgrade");
    for header in ["content-type", "content-length", "x-content-type-options"] {
        assert_eq!(head.header(header), got.header(header), "HEAD /ws: {header}");
    }
    let ended = stop(app);
    assert_eq!((ended.code(), &ended.report()["outcome"]), (Some(0), &"clean".into()));
}

#[test]
fn a_query_that_cannot_be_served_is_a_400_with_the_reason() {
    let app = App::start(&["demo.chaos=true"]);
    for (path, reason) in [
        ("/slow", "`ms` is missing"),
        ("/slow?ms=", "`ms` is a whole number from 0 to 600000, not ``"),
        ("/slow?ms=600001", "600000, not `600001`"),
        ("/slow?ms=-1", "not `-1`"),
        ("/slow?ms=1.5", "not `1.5`"),
        ("/slow?ms=soon", "not `soon`"),
        ("/slow?ms=99999999999999999999", "not `99999999999999999999`"),
        ("/stream?ms=1", "`n` is missing"),
        ("/stream?n=1", "`ms` is missing"),
        ("/stream?n=x&ms=1", "not `x`"),
        ("/stream?n=1000001&ms=1", "`n` is a whole number from 0 to 1000000, not `1000001`"),
        ("/stream?n=1&ms=600001", "not `600001`"),
        ("/chaos/block", "`ms` is missing"),
    ] {
        let got = Client::get(app.business, path);
        assert_eq!(plain(&got), (400, "text/plain; charset=utf-8"), "{path}");
        assert!(got.text().contains(reason), "{path}: {}", got.text());
        assert_eq!(Client::head(app.business, path).status, 400, "HEAD {path}");
    }
    // The limits themselves are allowed.
    assert_eq!(Client::get(app.business, "/slow?ms=0").status, 200);
    let _request = app.in_flight("/slow?ms=600000");
}

#[test]
fn a_route_that_is_not_there_is_a_404_and_a_method_that_is_not_a_405() {
    let app = App::start(&[]);
    for path in
        ["/nothing", "/cache", "/cache/", "/cache/a/b", "/healthz", "/chaos/panic", "/chaos/block?ms=1"]
    {
        assert_eq!(Client::get(app.business, path).status, 404, "{path}");
    }
    for (method, path) in [
        ("POST", "/"),
        ("PUT", "/slow?ms=1"),
        ("DELETE", "/cache/a"),
        ("POST", "/cache/a"),
        ("POST", "/events"),
        ("PUT", "/stream?n=1&ms=1"),
    ] {
        let got = Client::request(app.business, method, path, &[("Content-Length", "0")], b"");
        assert_eq!(got.status, 405, "{method} {path}");
    }
}

#[test]
fn slow_requests_hold_no_thread() {
    let app = App::start(&["servers.business.workers=1", "shutdown.drain_timeout=0s"]);
    let clients: Vec<_> = (0..50).map(|_| app.in_flight("/slow?ms=60000")).collect();
    assert_eq!(Client::get(app.business, "/slow?ms=1").text(), "done");
    assert_eq!(app.count_in_flight(), clients.len() as u64);
}

#[test]
fn the_cache_takes_256_kib_and_no_more() {
    let app = App::start(&[]);
    let put = |key: &str, size: usize| Client::put(app.business, key, &vec![7; size]).status;
    assert_eq!(put("/cache/empty", 0), 204);
    assert_eq!(put("/cache/largest", LARGEST), 204);
    assert_eq!(put("/cache/too-large", LARGEST + 1), 413);
    assert_eq!(Client::get(app.business, "/cache/largest").body, vec![7; LARGEST]);
    assert_eq!(Client::get(app.business, "/cache/empty").body, b"");
    assert_eq!(Client::get(app.business, "/cache/too-large").status, 404);

    // A body without a Content-Length.
    let chunked = |key: &str, size: usize| {
        let mut client = Client::connect(app.business);
        let head = format!(
            "PUT /cache/{key} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n"
        );
        let request = [head.as_bytes(), &vec![8; size], b"\r\n0\r\n\r\n"].concat();
        // The answer may come before all of it is sent.
        let _ = client.write(&request);
        client.read().expect("an answer").status
    };
    assert_eq!(chunked("chunked", LARGEST), 204);
    assert_eq!(chunked("chunked-too-large", LARGEST + 1), 413);
    assert_eq!(Client::get(app.business, "/cache/chunked").body, vec![8; LARGEST]);
}

#[test]
fn any_key_can_be_put_but_one_that_no_store_could_keep() {
    let app = App::start(&[]);
    for key in ["a", "with%20space", "with%2Fslash", "%E9%94%AE", "%25"] {
        let path = format!("/cache/{key}");
        assert_eq!(Client::put(app.business, &path, key.as_bytes()).status, 204, "{key}");
        assert_eq!(Client::get(app.business, &path).text(), key);
    }
    let long = format!("/cache/{}", "k".repeat(1025));
    assert_eq!(Client::put(app.business, &long, b"x").status, 400);
    assert_eq!(Client::put(app.business, "/cache/a%00b", b"x").status, 400);
    // Replaced by a character for "not a character", these would all be one key.
    for key in ["%FF", "%fe", "a%C3", "%C0%80", "%ED%A0%80", "%F5%80%80%80"] {
        let path = format!("/cache/{key}");
        assert_eq!(Client::put(app.business, &path, b"x").status, 400, "{key}");
        assert_eq!(Client::get(app.business, &path).status, 400, "{key}");
    }
    assert_eq!(Client::put(app.business, "/cache/a", b"replaced").status, 204);
    assert_eq!(Client::get(app.business, "/cache/a").text(), "replaced");
}

#[test]
fn a_panic_in_a_handler_affects_no_other_request() {
    let app = App::start(&["demo.chaos=true", "servers.business.workers=1"]);
    let mut other = app.in_flight("/slow?ms=500");
    for method in ["GET", "HEAD"] {
        let mut client = Client::connect(app.business);
        client.send(method, "/chaos/panic", &[]).expect("the request is sent");
        // Its connection is closed or it gets a 500; it must not wait for ever.
        assert!(client.read_head().map_or(true, |(status, _)| status == 500));
    }
    assert_eq!(Client::get(app.business, "/").status, 200, "the only worker still serves");
    assert_eq!(other.read().expect("an answer").text(), "done");
    crate::support::wait_until("nothing is in flight", || app.count_in_flight() == 0);
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
}

#[test]
fn requests_during_the_drain_are_rejected() {
    let app = App::start(&["reject.retry_after=1500ms"]);
    let mut kept = Client::connect(app.business);
    kept.send("GET", "/", &[]).expect("the request is sent");
    kept.read().expect("an answer");
    let mut in_flight = app.in_flight("/slow?ms=2500");
    app.signal_to_stop();
    app.wait_for_phase("drain");

    kept.send("GET", "/", &[]).expect("the request is sent");
    let on_the_kept_connection = kept.read().expect("an answer, not a reset");
    assert!(kept.is_closed());
    let on_a_new_one = Client::get(app.business, "/");
    let put = Client::put(app.business, "/cache/late", b"x");
    let unknown = Client::get(app.business, "/nothing");
    for rejected in [&on_the_kept_connection, &on_a_new_one, &put, &unknown] {
        assert_eq!(rejected.status, 503);
        assert_eq!(rejected.header("connection"), Some("close"));
        assert_eq!(rejected.header("retry-after"), Some("2"), "rounded up");
        assert_eq!(rejected.text(), "shutting down, please try again\n");
    }
    let head = Client::head(app.business, "/");
    assert_eq!((head.status, head.body.len()), (503, 0));

    let answer = in_flight.read().expect("the request in flight is answered");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let business = &ended.report()["servers"][1];
    assert_eq!((&business["rejected"], &business["completed"]), (&5.into(), &1.into()));
}

#[test]
fn the_rejection_is_what_the_settings_say() {
    let rejection = |settings: &[&str]| {
        let app = App::start(settings);
        let _in_flight = app.in_flight("/slow?ms=3000");
        app.signal_to_stop();
        app.wait_for_phase("drain");
        Client::get(app.business, "/")
    };
    let own = rejection(&["reject.status=429", "reject.body=later", "reject.retry_after=2s"]);
    assert_eq!((own.status, own.text().as_str(), own.header("retry-after")), (429, "later", Some("2")));
    let chinese = rejection(&["log.language=zh"]);
    assert_eq!((chinese.status, chinese.text().as_str()), (503, "服务正在关闭，请稍后重试\n"));
    assert_eq!(chinese.header("retry-after"), Some("1"));
    assert_eq!(chinese.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn during_the_ready_delay_requests_are_served_with_connection_close() {
    let app = App::start(&["shutdown.ready_delay=60s", "shutdown.timeout=100s"]);
    let mut kept = Client::connect(app.business);
    kept.send("GET", "/", &[]).expect("the request is sent");
    assert_eq!(kept.read().expect("an answer").header("connection"), None);
    app.signal_to_stop();
    app.wait_for_phase("ready_delay");
    assert_eq!(Client::get(app.admin, "/readyz").status, 503);
    kept.send("GET", "/", &[]).expect("the request is sent");
    for served in [
        kept.read().expect("an answer"),
        Client::get(app.business, "/"),
        Client::put(app.business, "/cache/a", b"x"),
    ] {
        assert!(matches!(served.status, 200 | 204), "{served:?}");
        assert_eq!(served.header("connection"), Some("close"));
    }
}

#[test]
fn the_ready_delay_ends_by_itself() {
    let app = App::start(&["shutdown.ready_delay=200ms"]);
    let signalled = app.signal_to_stop();
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(ended.at - signalled >= Duration::from_millis(200));
    let phases = &ended.report()["phases"];
    assert_eq!((&phases[0]["name"], &phases[0]["ended_by"]), (&"ready_delay".into(), &"done".into()));
}

#[test]
fn every_answer_is_what_it_says_it_is() {
    let app = App::start(&[]);
    for path in ["/", "/slow?ms=1", "/slow", "/stream?n=1&ms=0", "/cache/none", "/cache/%FF", "/nothing"] {
        let answer = Client::get(app.business, path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}: {}", answer.status);
    }
    for answer in [Client::put(app.business, "/cache/a", b"x"), Client::put(app.business, "/", b"x")] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{}", answer.status);
    }
}

const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A browser lets any page open a WebSocket to any host.
#[test]
fn a_web_socket_is_for_pages_of_its_own_origin() {
    let app = App::start(&[]);
    let own = format!("http://{}", app.business);
    let host = app.business.to_string();
    for (origin, status) in
        [(None, 101), (Some(own.as_str()), 101), (Some("http://evil.example"), 403), (Some("null"), 403)]
    {
        let mut client = Client::connect(app.business);
        let headers = UPGRADE.into_iter().chain([("Host", host.as_str())]);
        let headers: Vec<_> = headers.chain(origin.map(|origin| ("Origin", origin))).collect();
        client.send("GET", "/ws", &headers).expect("it is sent");
        assert_eq!(client.read_head().expect("an answer").0, status, "{origin:?}");
    }
}
