//! The cache with a real PostgreSQL server that is stopped in the middle of a flush: no acknowledged write is lost.

pub(crate) mod server;

use std::{sync::Arc, thread, time::Duration};

use self::server::{Server, WAITING};
use crate::support::{App, Client, Ended, wait_until};

#[test]
fn the_flush_reaches_postgresql_and_the_next_run_reads_it() {
    let Some(server) = Server::start("a flush into PostgreSQL") else { return };
    let app = App::start(&[&server.store()]);
    put(&app, "key", 300, b"value");
    assert_eq!(server.rows(), 0, "nothing is written before the flush");
    let ended = stop(app);
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(server.rows(), 300);
    let app = App::start_in(ended.folder, &[&server.store()]);
    has(&app, "key", 300, b"value");
}

#[test]
fn a_server_that_stops_in_the_middle_of_the_flush_loses_nothing() {
    let Some(mut server) = Server::start("PostgreSQL stopped in the middle of a flush") else { return };
    let app = App::start(&[&server.store()]);
    put(&app, "key", 100, b"value");
    // The flush's transaction waits for the lock at its first row.
    let lock = server.lock_the_table("EXCLUSIVE");
    app.signal(libc::SIGTERM);
    server.wait_for_a_session_that_waits();
    server.stop_immediately();
    drop(lock);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(3), "{}", ended.text());
    let flush = &ended.report()["callbacks"][0];
    assert_eq!(flush["outcome"], "failed");
    let error = flush["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("cache.spool"), "it says where the writes are: {error}");
    eprintln!("stopped in the middle of the flush: exit code 3, {error}");

    server.start_again();
    assert_eq!(server.rows(), 0, "the transaction was not committed");
    let app = App::start_in(ended.folder, &[&server.store()]);
    has(&app, "key", 100, b"value");
    assert_eq!(server.rows(), 100, "the next start brings them in before it serves");
    assert_eq!(stop(app).code(), Some(0));
}

#[test]
fn a_server_that_stops_at_any_moment_of_the_exit_loses_nothing() {
    let Some(mut server) = Server::start("PostgreSQL stopped at any moment") else { return };
    let value = vec![b'x'; 100_000];
    let mut folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let mut codes = Vec::new();
    for round in 0..5_u32 {
        let app = App::start_in(folder, &[&server.store()]);
        let name = format!("round-{round}");
        put(&app, &name, 40, &value);
        app.signal(libc::SIGTERM);
        thread::sleep(Duration::from_millis(u64::from(round * round) * 60));
        server.stop_immediately();
        let ended = app.wait();
        codes.push(ended.code());
        assert!(matches!(ended.code(), Some(0 | 3)), "{}", ended.text());
        server.start_again();
        let app = App::start_in(ended.folder, &[&server.store()]);
        has(&app, &name, 40, &value);
        let ended = stop(app);
        assert_eq!(ended.code(), Some(0), "{}", ended.text());
        folder = ended.folder;
    }
    assert_eq!(server.rows(), 200);
    eprintln!(
        "stopped at five moments of the exit, exit codes {codes:?}, 200 writes of 100 kB acknowledged, 0 lost"
    );
}

#[test]
fn a_blocked_worker_does_not_hold_the_flush_back() {
    let Some(server) = Server::start("a flush into PostgreSQL beside a blocked worker") else { return };
    let settings = [
        &server.store(),
        "demo.chaos=true",
        "servers.business.workers=1",
        "shutdown.drain_timeout=200ms",
        "shutdown.stop_timeout=200ms",
    ];
    let app = App::start(&settings);
    put(&app, "key", 10, b"value");
    // The pool grows by connections whose input is read by the worker's own thread.
    let lock = server.lock_the_table("ACCESS EXCLUSIVE");
    let mut readers: Vec<_> = (0..4).map(|_| Client::connect(app.business)).collect();
    for reader in &mut readers {
        reader.send("GET", "/cache/missing", &[]).expect("sent");
    }
    wait_until("the pool has grown", || server.ask(WAITING) == 4);
    drop(lock);
    for reader in &mut readers {
        assert_eq!(reader.read().expect("answered").status, 404);
    }
    // The start-up's connection is the next in the pool; this moves it to the end.
    assert_eq!(Client::get(app.business, "/cache/missing").status, 404);
    let _blocked = app.in_flight("/chaos/block?ms=20000");
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    let report = ended.report();
    assert_eq!(report["callbacks"][0]["outcome"], "done", "{report}");
    assert_eq!(report["resources"][0]["outcome"], "done", "{report}");
    assert_eq!(server.rows(), 10);
}

#[test]
fn a_server_that_cannot_be_used_is_named_without_its_password() {
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    // Nothing listens on this port.
    let mut command = App::command(folder.path());
    command.args(["--set", "cache.store=postgres://user:geheim@127.0.0.1:9/shop"]);
    let ended = App::run(&folder, command);
    assert_eq!(ended.code(), Some(4));
    assert!(ended.has("cannot open postgres://127.0.0.1:9/***: "), "{}", ended.text());
    assert!(!ended.text().contains("geheim"), "{}", ended.text());

    let Some(server) = Server::start("a database that is not there") else { return };
    let mut command = App::command(folder.path());
    command.args(["--set", &format!("cache.store=postgres://postgres@{}/shop", server.address)]);
    let ended = App::run(&folder, command);
    assert_eq!(ended.code(), Some(4));
    assert!(ended.has("database \"shop\" does not exist"), "{}", ended.text());
}

/// How many of its clients the server talks to through TLS, the one that asks not counted.
const ENCRYPTED: &str = "SELECT count(*) FROM pg_stat_ssl WHERE ssl AND pid <> pg_backend_pid()";

#[test]
fn the_store_is_reached_through_tls_as_libpq_would_reach_it() {
    let Some(server) = Server::start("a store through TLS") else { return };
    let certificate = server.serve_tls("hostssl", &server.address.to_string());
    let starts = |parameters: &str| {
        let app = App::start(&[&format!("{}?{parameters}", server.store())]);
        put(&app, "key", 3, b"value");
        assert_eq!(server.ask(ENCRYPTED), 1, "{parameters}");
        let ended = stop(app);
        assert_eq!(ended.code(), Some(0), "{parameters}: {}", ended.text());
    };
    // The server takes TLS alone: `allow` gets there by its second try, the others by their first.
    for mode in ["allow", "prefer", "require"] {
        starts(&format!("sslmode={mode}"));
    }
    starts("");
    let certificate = certificate.display();
    for mode in ["verify-ca", "verify-full"] {
        starts(&format!("sslmode={mode}&sslrootcert={certificate}"));
    }
    let refuses = |url: &str, why: &str| {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let mut command = App::command(folder.path());
        command.args(["--set", &format!("cache.store={url}")]);
        let ended = App::run(&folder, command);
        assert_eq!(ended.code(), Some(4), "{url}: {}", ended.text());
        assert!(ended.has(why), "{url}: {}", ended.text());
    };
    refuses(&format!("{}?sslmode=disable", server.url()), "no encryption");
    refuses(&format!("{}?sslmode=verify-full", server.url()), "certificate");
    let certificate = server.serve_tls("hostssl", "db.example");
    let certificate = certificate.display();
    refuses(&format!("{}?sslmode=verify-full&sslrootcert={certificate}", server.url()), "certificate");
    starts(&format!("sslmode=verify-ca&sslrootcert={certificate}"));
}

#[test]
fn a_server_that_takes_no_tls_gets_no_password_in_clear_unless_the_url_says_so() {
    let Some(server) = Server::start("a store without TLS") else { return };
    for mode in ["disable", "allow", "prefer"] {
        let app = App::start(&[&format!("{}?sslmode={mode}", server.store())]);
        put(&app, "key", 3, b"value");
        assert_eq!(stop(app).code(), Some(0), "{mode}");
    }
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let mut command = App::command(folder.path());
    command.args(["--set", &format!("{}?sslmode=require", server.store())]);
    let ended = App::run(&folder, command);
    assert_eq!(ended.code(), Some(4), "{}", ended.text());
    assert!(ended.has("does not support TLS"), "{}", ended.text());
}

/// `prefer` gets there by its second try.
#[test]
fn a_server_that_has_tls_and_refuses_it_is_reached_without_it() {
    let Some(server) = Server::start("a store that refuses TLS") else { return };
    server.serve_tls("hostnossl", "db.example");
    for parameters in ["sslmode=prefer", "sslmode=allow", "sslmode=disable", ""] {
        let app = App::start(&[&format!("{}?{parameters}", server.store())]);
        put(&app, "key", 3, b"value");
        assert_eq!(server.ask(ENCRYPTED), 0, "{parameters}");
        assert_eq!(stop(app).code(), Some(0), "{parameters}");
    }
}

fn put(app: &App, name: &str, keys: u32, value: &[u8]) {
    let mut client = Client::connect(app.business);
    for key in 0..keys {
        client.send_body("PUT", &format!("/cache/{name}-{key}"), &[], value).expect("sent");
        assert_eq!(client.read().expect("answered").status, 204);
    }
}

fn has(app: &App, name: &str, keys: u32, value: &[u8]) {
    let mut client = Client::connect(app.business);
    for key in 0..keys {
        client.send("GET", &format!("/cache/{name}-{key}"), &[]).expect("sent");
        let got = client.read().expect("answered");
        assert!(got.status == 200 && got.body == value, "{name}-{key}: {}", got.status);
    }
}

fn stop(app: App) -> Ended {
    app.signal(libc::SIGTERM);
    app.wait()
}
