//! The admin routes in a service of the user's own: as a server, and mounted in one of its servers.

use graceful_exit::{JobError, Outcome, admin::Admin};
use serde_json::Value;

use crate::support::{Client, Service, wait_until};

const TOKEN: &str = "0123456789abcdef";

/// The rest of an event stream.
fn events(client: &mut Client) -> Vec<Value> {
    let mut text = Vec::new();
    while let Some(chunk) = client.read_chunk().expect("it ends as it should") {
        text.extend(chunk);
    }
    let text = String::from_utf8(text).expect("text");
    let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.map(|json| serde_json::from_str(json).expect("JSON")).collect()
}

#[test]
fn a_server_of_its_own_closes_last_and_answers_until_then() {
    let (finish, finished) = tokio::sync::watch::channel(false);
    let service = Service::start(move |exit, listener| {
        let server = Admin::new(exit.handle()).unbound_server().listen(listener);
        exit.server(server).callback_fn("flush", move |_| async move {
            let mut finished = finished;
            let _ = finished.wait_for(|finished| *finished).await;
            Ok::<_, JobError>(())
        })
    });
    assert_eq!(service.get("/readyz", &[]).text(), "ready\n");
    let (status, mut stream) = service.stream("/events");
    assert_eq!(status, 200);
    service.exit.stop("test");
    wait_until("the callbacks run", || service.exit.phase() == "callbacks");
    assert_eq!(service.get("/readyz", &[]).status, 503);
    let seen: Value = serde_json::from_slice(&service.get("/status", &[]).body).expect("JSON");
    assert_eq!((&seen["phase"], &seen["servers"][0]["name"]), (&"callbacks".into(), &"admin".into()));
    finish.send_replace(true);
    let last = events(&mut stream).pop().expect("an event");
    assert_eq!((&last["outcome"], &last["exit_code"]), (&"clean".into(), &0.into()));
    assert_eq!(service.report().outcome, Outcome::Clean);
}

#[test]
fn mounted_in_a_scope_the_routes_answer_there_and_hold_no_drain() {
    let service = Service::with_mount(|admin| admin);
    for (path, status) in
        [("/ops/", 200), ("/ops/healthz", 200), ("/ops/metrics", 200), ("/", 200), ("/healthz", 404)]
    {
        assert_eq!(service.get(path, &[]).status, status, "{path}");
    }
    // Its page's links are relative to a folder.
    let folder = service.get("/ops", &[]);
    assert_eq!((folder.status, folder.header("location")), (308, Some("ops/")));
    let (status, mut stream) = service.stream("/ops/events");
    assert_eq!(status, 200);
    assert_eq!(Client::request(service.address, "POST", "/ops/shutdown", &[], b"").status, 202);
    assert!(!events(&mut stream).is_empty());
    let report = service.stop();
    assert_eq!((report.outcome, report.servers[0].abandoned.len()), (Outcome::Clean, 0), "{report:?}");
    assert!(report.reason.starts_with("POST /shutdown from 127.0.0.1:"), "{}", report.reason);
}

#[test]
fn more_event_streams_than_allowed_are_answered_503_until_one_ends() {
    let service = Service::with_server(|admin| admin.max_streams(2));
    let first = service.stream("/events");
    let second = service.stream("/events");
    assert_eq!((first.0, second.0), (200, 200));
    let refused = service.get("/events", &[]);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")), "{}", refused.text());
    assert!(
        service
            .get("/metrics", &[])
            .text()
            .contains("graceful_exit_admin_refused_total{cause=\"streams\"} 1\n")
    );
    assert_eq!(Client::head(service.address, "/events").status, 200, "HEAD holds no stream");
    drop(first);
    wait_until("its place is free", || service.stream("/events").0 == 200);
    assert_eq!(service.stop().outcome, Outcome::Clean);
}

#[test]
fn with_token_for_reads_only_probes_and_the_empty_page_need_no_token() {
    let service = Service::with_server(|admin| admin.token(TOKEN).token_for_reads(true));
    let right = format!("Bearer {TOKEN}");
    for path in ["/status", "/metrics", "/events"] {
        let refused = service.get(path, &[]);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")), "{path}");
        assert_eq!(service.get(path, &[("Authorization", "Bearer wrong-wrong-wrong")]).status, 401, "{path}");
        let head = [("Authorization", right.as_str()), ("Connection", "close")];
        let mut client = Client::connect(service.address);
        client.send("HEAD", path, &head).expect("sent");
        assert_eq!(client.read_head().expect("answered").0, 200, "{path}");
    }
    for path in ["/", "/healthz", "/readyz"] {
        assert_eq!(service.get(path, &[]).status, 200, "{path}");
    }
    // The token alone decides then.
    let foreign = [("Authorization", right.as_str()), ("Host", "rebind.example"), ("Accept-Language", "en")];
    assert_eq!(service.get("/status", &foreign).status, 200);
    assert_eq!(service.stop().outcome, Outcome::Clean);
}

#[test]
fn wrong_tokens_are_counted_and_wait_for_each_other_and_the_right_one_does_not() {
    let service = Service::with_server(|admin| admin.token(TOKEN));
    let post = |token: &str| {
        let mut client = Client::connect(service.address);
        client.send("POST", "/shutdown", &[("Authorization", &format!("Bearer {token}"))]).expect("sent");
        client
    };
    let mut guesses: Vec<_> = (0..40).map(|guess| post(&format!("guess-number-{guess:04}"))).collect();
    wait_until("they are counted", || {
        service
            .get("/metrics", &[])
            .text()
            .contains("graceful_exit_admin_refused_total{cause=\"token\"} 40\n")
    });
    assert_eq!(post(TOKEN).read().expect("answered").status, 202);
    // The exit waits for none of them, and lets each have its answer.
    let statuses: Vec<_> =
        guesses.iter_mut().map(|guess| guess.read().map(|answer| answer.status).ok()).collect();
    assert!(statuses.iter().all(|status| matches!(status, Some(401) | None)), "{statuses:?}");
    let report = service.stop();
    assert_eq!(report.outcome, Outcome::Clean);
}

#[test]
fn a_programs_own_metrics_and_lines_are_added() {
    let service = Service::with_server(|admin| {
        admin
            .gauge("shop_baskets", "Open baskets.", || 2.5)
            .counter("shop_orders_total", "Orders so far.", || 7)
            .line("baskets", || "2 & a <half>\u{202e}".to_owned())
    });
    let text = service.get("/metrics", &[]).text();
    for line in [
        "# TYPE shop_baskets gauge\n",
        "shop_baskets 2.5\n",
        "# TYPE shop_orders_total counter\n",
        "shop_orders_total 7\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    let text = service.get("/status", &[]).text();
    assert!(text.contains(r"<half>\u202e"), "what is not seen is escaped: {text}");
    let status: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(status["lines"], serde_json::json!([{ "label": "baskets", "text": "2 & a <half>\u{202e}" }]));
    assert_eq!(service.stop().outcome, Outcome::Clean);
}

#[test]
fn every_answer_forbids_guessing_its_type() {
    let service = Service::with_server(|admin| admin.token(TOKEN));
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/status"),
        ("GET", "/metrics"),
        ("HEAD", "/events"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/nothing"),
        ("DELETE", "/status"),
        ("POST", "/shutdown"),
    ] {
        let mut client = Client::connect(service.address);
        client.send(method, path, &[("Connection", "close")]).expect("sent");
        let (status, headers) = client.read_head().expect("answered");
        let nosniff = ("x-content-type-options".to_owned(), "nosniff".to_owned());
        assert!(headers.contains(&nosniff), "{method} {path}, {status}: {headers:?}");
    }
    let draining = Service::with_mount(|admin| admin);
    let held = draining.hold();
    draining.exit.stop("test");
    wait_until("requests are rejected", || {
        let rejected = draining.get("/ops/status", &[]);
        assert_eq!(rejected.header("x-content-type-options"), Some("nosniff"), "{rejected:?}");
        rejected.status == 503
    });
    drop(held);
    let _ = draining.report();
    assert_eq!(service.stop().outcome, Outcome::Clean);
}
