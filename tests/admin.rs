//! The admin server: its routes, access to `POST /shutdown`, and its answers during an exit.

mod library;
#[cfg(unix)]
mod security;

use std::net::SocketAddr;

use graceful_exit::sequence::PhaseKind;
use serde_json::Value;

use crate::support::{App, Client, Ended, Response, STOPPED_BY, phases::Held, sent_here, side_by_side, stop};

fn post(address: SocketAddr, headers: &[(&str, &str)]) -> Response {
    let headers = [headers, &[("Content-Length", "0")]].concat();
    Client::request(address, "POST", "/shutdown", &headers, b"")
}

#[test]
fn the_routes_answer_get_and_head() {
    let app = App::start(&[]);
    for (path, body) in [("/healthz", Some("ok\n")), ("/readyz", Some("ready\n")), ("/status", None)] {
        let got = Client::get(app.admin, path);
        assert_eq!(got.status, 200, "{path}");
        if let Some(body) = body {
            assert_eq!(got.text(), body, "{path}");
        }
        let head = Client::head(app.admin, path);
        assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {path}");
    }
    assert_eq!(Client::get(app.admin, "/nothing").status, 404);
    for (method, path) in
        [("POST", "/healthz"), ("PUT", "/status"), ("DELETE", "/readyz"), ("GET", "/shutdown")]
    {
        let got = Client::request(app.admin, method, path, &[("Content-Length", "0")], b"");
        assert_eq!(got.status, 405, "{method} {path}");
    }
    assert_eq!(Client::head(app.admin, "/shutdown").status, 405);
}

#[test]
fn status_tells_the_phase_the_counts_and_the_members() {
    let app = App::start(&["shutdown.timeout=20s"]);
    let _request = app.in_flight("/slow?ms=60000&secret=1");
    for _ in 0..3 {
        Client::get(app.business, "/");
    }
    crate::support::wait_until("the answers are counted", || app.status()["servers"][1]["completed"] == 3);
    let status = app.status();
    assert_eq!(status["phase"], "running");
    assert_eq!((&status["reason"], &status["deadline_left_ms"]), (&Value::Null, &Value::Null));
    assert_eq!((&status["verdict"], &status["previous_exit"]), (&Value::Null, &Value::Null));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], app.id());
    assert!(status["started_at"].as_str().is_some_and(|it| it.ends_with('Z')), "{status}");
    assert_eq!(status["workers"], Value::Array(Vec::new()));
    assert_eq!(status["checkpoints"][0]["name"], "spool-cache");
    let servers = &status["servers"];
    assert_eq!((&servers[0]["name"], &servers[1]["name"]), (&"admin".into(), &"business".into()));
    assert_eq!((&servers[0]["in_flight"], &servers[1]["in_flight"]), (&0.into(), &1.into()));
    assert_eq!(servers[1]["rejected"], 0);
    for (list, name) in [("callbacks", "flush-cache"), ("resources", "store")] {
        assert_eq!(status[list].as_array().map(Vec::len), Some(1));
        assert_eq!(
            (&status[list][0]["name"], &status[list][0]["state"]),
            (&name.into(), &"not_started".into())
        );
    }
    assert!(!status.to_string().contains("secret"), "no query");

    app.signal_to_stop();
    app.wait_for_phase("drain");
    let status = app.status();
    assert_eq!(status["reason"], sent_here(STOPPED_BY));
    let left = status["deadline_left_ms"].as_u64().expect("a number");
    assert!((10_000..=20_000).contains(&left), "{left}");
    Client::get(app.business, "/");
    crate::support::wait_until("the rejection is counted", || app.status()["servers"][1]["rejected"] == 1);
}

#[test]
fn it_is_not_ready_from_the_first_request_to_stop_on_and_healthy_to_the_end() {
    let app = App::start(&[]);
    let _request = app.in_flight("/slow?ms=60000");
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
    app.signal_to_stop();
    crate::support::wait_until("it is not ready", || Client::get(app.admin, "/readyz").status == 503);
    assert_eq!(Client::head(app.admin, "/readyz").status, 503);
    assert_eq!(Client::get(app.admin, "/healthz").status, 200);

    let app = App::start(&[]);
    let _request = app.in_flight("/slow?ms=60000");
    assert_eq!(post(app.admin, &[]).status, 202);
    assert_eq!(Client::get(app.admin, "/readyz").status, 503, "it was asked for before it was answered");
}

#[test]
fn shutdown_starts_the_exit_and_a_repeated_one_changes_nothing() {
    let app = App::start(&["shutdown.coalesce=0s"]);
    let mut request = app.in_flight("/slow?ms=700");
    let first = post(app.admin, &[]);
    assert_eq!(first.status, 202);
    app.wait_for_phase("drain");
    for _ in 0..3 {
        assert_eq!(post(app.admin, &[]).status, 202);
    }
    assert_eq!(request.read().expect("the request in flight is answered").text(), "done");
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let reason = ended.report()["reason"].to_string();
    assert!(reason.starts_with("\"POST /shutdown from 127.0.0.1:"), "{reason}");
}

#[test]
fn without_a_token_only_this_machine_may_start_the_exit() {
    let app = App::start(&[]);
    let port = app.admin.port();
    let ours = format!("localhost:{port}");
    let with = |name: &str, value: &str| post(app.admin, &[("Host", &ours), (name, value)]).status;
    for host in ["example.com", "localhost.example.com", "127.0.0.1.nip.io", "10.0.0.1", "0.0.0.0"] {
        assert_eq!(post(app.admin, &[("Host", host)]).status, 403, "Host: {host}");
    }
    for (name, value) in [
        ("Origin", "http://example.com"),
        ("Origin", "null"),
        ("Origin", "http://localhost:1"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Proto", "http"),
    ] {
        assert_eq!(with(name, value), 403, "{name}: {value}");
    }
    // A token is no help if the server has none set.
    assert_eq!(post(app.admin, &[("Host", "example.com"), ("Authorization", "Bearer x")]).status, 403);
    assert_eq!(Client::get(app.admin, "/readyz").status, 200, "none of them started the exit");
    let reason = post(app.admin, &[("Host", "example.com")]).text();
    assert!(reason.contains("Host"), "{reason}");

    for host in [ours.clone(), "127.0.0.1".to_owned(), format!("[::1]:{port}")] {
        let app = App::start(&[]);
        assert_eq!(post(app.admin, &[("Host", &host)]).status, 202, "Host: {host}");
        assert_eq!(app.wait().code(), Some(0));
    }
    let origin = format!("http://{ours}");
    assert_eq!(post(app.admin, &[("Host", &ours), ("Origin", &origin)]).status, 202);
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn with_a_token_the_token_alone_decides() {
    let app = App::start(&["admin.token=s3cret-s3cret-s3cret"]);
    for headers in [
        &[][..],
        &[("Authorization", "Bearer wrong!")],
        &[("Authorization", "Bearer s3cret-s3cret-s3cre")],
        &[("Authorization", "Bearer s3cret-s3cret-s3cret2")],
        &[("Authorization", "s3cret-s3cret-s3cret")],
        &[("Authorization", "Basic s3cret-s3cret-s3cret")],
    ] {
        let refused = post(app.admin, headers);
        assert_eq!(
            (refused.status, refused.header("www-authenticate")),
            (401, Some("Bearer")),
            "{headers:?}"
        );
        assert!(!refused.text().contains("s3cret"));
    }
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
    // From anywhere, by any name, through any proxy.
    let far = [
        ("Host", "example.com"),
        ("Origin", "http://example.org"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Authorization", "Bearer s3cret-s3cret-s3cret"),
    ];
    assert_eq!(post(app.admin, &far).status, 202);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0));
    assert!(!ended.text().contains("s3cret"), "{}", ended.text());
}

#[test]
fn a_server_that_closes_last_answers_its_read_only_routes_in_every_phase_before() {
    let before: Vec<_> = PhaseKind::ALL.iter().filter(|phase| **phase != PhaseKind::CloseLast).collect();
    side_by_side(&before, |&&phase| {
        let held = Held::in_phase(phase);
        let app = &held.app;
        app.signal_to_stop();
        held.reach(phase);
        assert_eq!(Client::get(app.admin, "/healthz").status, 200, "{phase:?}");
        assert_eq!(Client::get(app.admin, "/readyz").status, 503, "{phase:?}");
        assert_eq!(Client::head(app.admin, "/status").status, 200, "{phase:?}");
        assert_eq!(post(app.admin, &[]).status, 202, "{phase:?}");
        if phase != PhaseKind::ReadyDelay {
            let other = Client::get(app.admin, "/nothing");
            assert_eq!(other.status, 503, "other routes are rejected in {phase:?}");
            assert_eq!(Client::request(app.admin, "DELETE", "/status", &[], b"").status, 503, "{phase:?}");
        }
        assert_eq!(app.status()["phase"], phase.name(), "none of these requests ends the phase");
    });
}

#[test]
fn its_answers_hold_no_drain() {
    let app = App::start(&["shutdown.drain_timeout=1h", "shutdown.timeout=2h", "demo.flush_delay=300ms"]);
    let address = app.admin;
    let asking = std::thread::spawn(move || {
        let mut answered = 0;
        // Until the listener is closed.
        while let Ok(mut client) = Client::try_connect(address) {
            let Ok(response) = client.send("GET", "/status", &[]).and_then(|()| client.read()) else { break };
            answered += u64::from(response.status == 200);
        }
        answered
    });
    app.signal_to_stop();
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(asking.join().expect("no panic") > 0);
    let admin = &ended.report()["servers"][0];
    assert_eq!((&admin["in_flight_at_start"], &admin["abandoned"]), (&0.into(), &Value::Array(Vec::new())));
}

#[test]
fn a_server_that_closes_first_rejects_its_routes_too() {
    let app = App::start(&["servers.admin.stop=first", "shutdown.drain_timeout=10s"]);
    let mut in_flight = app.in_flight("/slow?ms=1500");
    app.signal_to_stop();
    crate::support::wait_until("it rejects", || Client::get(app.admin, "/healthz").status == 503);
    assert_eq!(in_flight.read().expect("an answer").text(), "done");
    let ended: Ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
}

#[test]
fn an_exit_without_requests_waits_for_no_timeout() {
    let ended = stop(App::start(&[
        "shutdown.keep_alive_grace=60s",
        "shutdown.drain_timeout=1h",
        "shutdown.stop_timeout=1h",
        "shutdown.callback_timeout=1h",
        "shutdown.release_timeout=1h",
        "shutdown.timeout=2h",
    ]));
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
}
