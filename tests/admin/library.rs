//! The admin routes in a program of the user's own: as a server, and mounted in one of its servers.

use std::{
    net::{SocketAddr, TcpListener},
    thread::{self, JoinHandle},
    time::Duration,
};

use actix_web::{App, rt::System, web};
use graceful_exit::{ExitHandle, GracefulExit, JobError, Outcome, Report, Server, admin::Admin};
use serde_json::Value;

use crate::support::{Client, wait_until};

const TOKEN: &str = "0123456789abcdef";

/// A program with one server, which catches no signals.
struct Program {
    address: SocketAddr,
    exit: ExitHandle,
    run: JoinHandle<Report>,
}

impl Program {
    /// Serves the admin routes as a server of its own.
    fn with_server(admin: impl FnOnce(Admin) -> Admin + Send + 'static) -> Self {
        Self::start(move |exit, listener| {
            let server = admin(Admin::new(&exit)).unbound_server().listen(listener);
            exit.server(server)
        })
    }

    /// Mounts the admin routes in a server of its own, in a scope.
    fn with_mount(admin: impl FnOnce(Admin) -> Admin + Send + 'static) -> Self {
        Self::start(move |exit, listener| {
            let admin = admin(Admin::new(&exit));
            let server = Server::new("web", move || {
                let admin = admin.clone();
                App::new()
                    .service(web::scope("/ops").configure(|config| admin.configure(config)))
                    .route("/", web::get().to(|| async { "hello\n" }))
            });
            exit.server(server.listen(listener))
        })
    }

    fn start(configure: impl FnOnce(GracefulExit, TcpListener) -> GracefulExit + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (send_handle, handle) = std::sync::mpsc::channel();
        let run = thread::spawn(move || {
            System::new().block_on(async move {
                let exit = GracefulExit::builder().signals(Vec::new()).ends_process(false);
                let exit = configure(exit, listener);
                send_handle.send(exit.handle()).expect("the test waits for it");
                exit.run().await.expect("it starts")
            })
        });
        let program = Self { address, exit: handle.recv().expect("it starts"), run };
        wait_until("it serves", || program.exit.is_ready());
        program
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> crate::support::Response {
        Client::request(self.address, "GET", path, headers, b"")
    }

    fn stream(&self, path: &str) -> (u16, Client) {
        let mut client = Client::connect(self.address);
        client.send("GET", path, &[]).expect("sent");
        let (status, _) = client.read_head().expect("answered");
        (status, client)
    }

    fn stop(self) -> Report {
        self.exit.stop("test");
        self.run.join().expect("no panic")
    }
}

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
    let program = Program::start(move |exit, listener| {
        let server = Admin::new(exit.handle()).unbound_server().listen(listener);
        exit.server(server).callback_fn("flush", move |_| async move {
            let mut finished = finished;
            let _ = finished.wait_for(|finished| *finished).await;
            Ok::<_, JobError>(())
        })
    });
    assert_eq!(program.get("/readyz", &[]).text(), "ready\n");
    let (status, mut stream) = program.stream("/events");
    assert_eq!(status, 200);
    program.exit.stop("test");
    wait_until("the callbacks run", || program.exit.phase() == "callbacks");
    assert_eq!(program.get("/readyz", &[]).status, 503);
    let seen: Value = serde_json::from_slice(&program.get("/status", &[]).body).expect("JSON");
    assert_eq!((&seen["phase"], &seen["servers"][0]["name"]), (&"callbacks".into(), &"admin".into()));
    finish.send_replace(true);
    let last = events(&mut stream).pop().expect("an event");
    assert_eq!((&last["outcome"], &last["exit_code"]), (&"clean".into(), &0.into()));
    assert_eq!(program.run.join().expect("no panic").outcome, Outcome::Clean);
}

#[test]
fn mounted_in_a_scope_the_routes_answer_there_and_hold_no_drain() {
    let program = Program::with_mount(|admin| admin);
    for (path, status) in
        [("/ops/", 200), ("/ops/healthz", 200), ("/ops/metrics", 200), ("/", 200), ("/healthz", 404)]
    {
        assert_eq!(program.get(path, &[]).status, status, "{path}");
    }
    // Its page's links are relative to a folder.
    let folder = program.get("/ops", &[]);
    assert_eq!((folder.status, folder.header("location")), (308, Some("ops/")));
    let (status, mut stream) = program.stream("/ops/events");
    assert_eq!(status, 200);
    assert_eq!(Client::request(program.address, "POST", "/ops/shutdown", &[], b"").status, 202);
    assert!(!events(&mut stream).is_empty());
    let report = program.stop();
    assert_eq!((report.outcome, report.servers[0].abandoned.len()), (Outcome::Clean, 0), "{report:?}");
    assert!(report.reason.starts_with("POST /shutdown from 127.0.0.1:"), "{}", report.reason);
}

#[test]
fn more_event_streams_than_allowed_are_answered_503_until_one_ends() {
    let program = Program::with_server(|admin| admin.max_streams(2));
    let first = program.stream("/events");
    let second = program.stream("/events");
    assert_eq!((first.0, second.0), (200, 200));
    let refused = program.get("/events", &[]);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")), "{}", refused.text());
    assert!(
        program
            .get("/metrics", &[])
            .text()
            .contains("graceful_exit_admin_refused_total{cause=\"streams\"} 1\n")
    );
    assert_eq!(Client::head(program.address, "/events").status, 200, "HEAD holds no stream");
    drop(first);
    wait_until("its place is free", || program.stream("/events").0 == 200);
    assert_eq!(program.stop().outcome, Outcome::Clean);
}

#[test]
fn with_token_for_reads_only_probes_and_the_empty_page_need_no_token() {
    let program = Program::with_server(|admin| admin.token(TOKEN).token_for_reads(true));
    let right = format!("Bearer {TOKEN}");
    for path in ["/status", "/metrics", "/events"] {
        let refused = program.get(path, &[]);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")), "{path}");
        assert_eq!(program.get(path, &[("Authorization", "Bearer wrong-wrong-wrong")]).status, 401, "{path}");
        let head = [("Authorization", right.as_str()), ("Connection", "close")];
        let mut client = Client::connect(program.address);
        client.send("HEAD", path, &head).expect("sent");
        assert_eq!(client.read_head().expect("answered").0, 200, "{path}");
    }
    for path in ["/", "/healthz", "/readyz"] {
        assert_eq!(program.get(path, &[]).status, 200, "{path}");
    }
    // The token alone decides then.
    let foreign = [("Authorization", right.as_str()), ("Host", "rebind.example"), ("Accept-Language", "en")];
    assert_eq!(program.get("/status", &foreign).status, 200);
    assert_eq!(program.stop().outcome, Outcome::Clean);
}

#[test]
fn wrong_tokens_are_counted_and_wait_for_each_other_and_the_right_one_does_not() {
    let program = Program::with_server(|admin| admin.token(TOKEN));
    let post = |token: &str| {
        let mut client = Client::connect(program.address);
        client.send("POST", "/shutdown", &[("Authorization", &format!("Bearer {token}"))]).expect("sent");
        client
    };
    let mut guesses: Vec<_> = (0..40).map(|guess| post(&format!("guess-number-{guess:04}"))).collect();
    wait_until("they are counted", || {
        program
            .get("/metrics", &[])
            .text()
            .contains("graceful_exit_admin_refused_total{cause=\"token\"} 40\n")
    });
    assert_eq!(post(TOKEN).read().expect("answered").status, 202);
    // The exit waits for none of them, and lets each have its answer.
    let statuses: Vec<_> =
        guesses.iter_mut().map(|guess| guess.read().map(|answer| answer.status).ok()).collect();
    assert!(statuses.iter().all(|status| matches!(status, Some(401) | None)), "{statuses:?}");
    let report = program.stop();
    assert_eq!(report.outcome, Outcome::Clean);
    assert!(report.duration < Duration::from_secs(3), "{:?}", report.duration);
}

#[test]
fn a_programs_own_metrics_and_lines_are_added() {
    let program = Program::with_server(|admin| {
        admin
            .gauge("shop_baskets", "Open baskets.", || 2.5)
            .counter("shop_orders_total", "Orders so far.", || 7)
            .line("baskets", || "2 & a <half>".to_owned())
    });
    let text = program.get("/metrics", &[]).text();
    for line in [
        "# TYPE shop_baskets gauge\n",
        "shop_baskets 2.5\n",
        "# TYPE shop_orders_total counter\n",
        "shop_orders_total 7\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    let status: Value = serde_json::from_slice(&program.get("/status", &[]).body).expect("JSON");
    assert_eq!(status["lines"], serde_json::json!([{ "label": "baskets", "text": "2 & a <half>" }]));
    assert_eq!(program.stop().outcome, Outcome::Clean);
}

#[test]
fn every_answer_forbids_guessing_its_type() {
    let program = Program::with_server(|admin| admin.token(TOKEN));
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
        let mut client = Client::connect(program.address);
        client.send(method, path, &[("Connection", "close")]).expect("sent");
        let (status, headers) = client.read_head().expect("answered");
        let nosniff = ("x-content-type-options".to_owned(), "nosniff".to_owned());
        assert!(headers.contains(&nosniff), "{method} {path}, {status}: {headers:?}");
    }
    assert_eq!(program.stop().outcome, Outcome::Clean);
}
