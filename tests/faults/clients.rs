//! Clients that are slow, idle, many, or in the middle of a request when the exit begins: none of them holds up the
//! process. That answers arrive complete is tested in `tests/drain`.

use std::{
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    stage::{self, GRACE, put, stored, times},
    system,
};
use crate::support::{App, Client, Ended, Watch, folder};

const DRAIN: Duration = Duration::from_millis(500);
/// The drain timeout, the keep-alive grace and the time that closing takes.
const CUT: Duration = Duration::from_secs(1);

fn start() -> App {
    start_with("log.level=info")
}

fn start_with(setting: &str) -> App {
    let app = App::start(&["shutdown.drain_timeout=500ms", "shutdown.timeout=10s", setting]);
    put(app.business, "key", "value");
    app
}

/// Checks that the exit ends within `bound`, and has flushed.
fn exits(app: App, what: &str, code: i32, bound: Duration) -> Ended {
    let watch = Watch::start();
    let signalled = app.signal(libc::SIGTERM);
    let ended = app.wait();
    watch.check(what, ended.at - signalled, bound + GRACE);
    assert_eq!(ended.code(), Some(code), "{what}: {}", ended.text());
    assert_eq!(ended.report()["callbacks"][0]["outcome"], "done", "{what}");
    assert_eq!(stored(&ended.folder.path().join("data/cache.db"))["key"], "value", "{what}");
    ended
}

#[test]
fn one_that_never_sends_a_byte() {
    let app = start();
    let mut clients = [app.business, app.admin].map(Client::connect);
    exits(app, "an idle client", 0, DRAIN);
    for client in &mut clients {
        assert!(client.is_closed(), "it is not reset");
    }
}

#[test]
fn one_that_sends_half_a_head() {
    let app = start();
    let mut clients = [app.business, app.admin].map(Client::connect);
    for client in &mut clients {
        client.write(b"GET / HTTP/1.1\r\nHost: local").expect("it is sent");
    }
    exits(app, "half a head", 0, DRAIN);
}

#[test]
fn one_whose_body_stops_half_way() {
    let app = start();
    let half = b"PUT /cache/half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf";
    let _client = app.in_flight_by(|client| client.write(half));
    let ended = exits(app, "half a body", 3, CUT);
    let abandoned = &ended.report()["servers"][1]["abandoned"][0];
    assert_eq!((&abandoned["method"], &abandoned["path"]), (&"PUT".into(), &"/cache/half".into()));
    assert!(!stored(&ended.folder.path().join("data/cache.db")).contains_key("half"));
}

#[test]
fn one_that_reads_a_byte_a_second_of_eight_megabytes() {
    let app = start();
    // Some seven megabytes of lines, and five of chunk headers.
    let mut client = app.in_flight("/stream?n=1000000&ms=0");
    let over = Arc::new(AtomicBool::new(false));
    let reads = Arc::clone(&over);
    let reader = thread::spawn(move || {
        // The client's kernel keeps the bytes that are not read yet, even if the server has closed.
        while !reads.load(Ordering::Relaxed) && client.read_bytes(1).is_ok() {
            thread::sleep(Duration::from_secs(1));
        }
    });
    let ended = exits(app, "a slow reader", 3, CUT);
    assert_eq!(ended.report()["servers"][1]["abandoned"][0]["path"], "/stream");
    over.store(true, Ordering::Relaxed);
    reader.join().expect("no panic");
}

#[test]
fn one_that_closes_its_writing_side_and_waits() {
    let app = start_with("servers.business.half_closed=true");
    let mut client = app.in_flight("/slow?ms=300");
    client.socket().shutdown(Shutdown::Write).expect("it is closed");
    let waits = thread::spawn(move || client.read().map(|response| response.status));
    exits(app, "a half-closed client", 0, DRAIN);
    assert_eq!(waits.join().expect("no panic").expect("it is answered"), 200);
}

/// The application's default: a client that closes its writing side has gone, and its request with it.
#[test]
fn one_that_closes_its_writing_side_and_has_gone() {
    let app = start();
    let client = app.in_flight("/slow?ms=600000");
    client.socket().shutdown(Shutdown::Write).expect("it is closed");
    exits(app, "a client that has gone", 0, DRAIN);
}

#[test]
fn ten_thousand_idle_connections() {
    let wanted = times(1_000, 10_000);
    let can = system::raise_descriptors().saturating_sub(1_000);
    let count = wanted.min(can);
    if count < wanted {
        stage::say(format_args!("only {count} idle connections: the system allows no more"));
    }
    let folder = folder();
    let mut command = App::command(folder.path());
    // A debug build on a busy machine needs longer than the default second to close them all.
    command.args(["-s", "shutdown.timeout=20s", "-s", "shutdown.stop_timeout=10s"]);
    let app = App::start_command(folder, command);
    put(app.business, "key", "value");
    let mut clients = Vec::with_capacity(count);
    // In portions that fit the accept queue.
    while clients.len() < count {
        let mut some: Vec<_> =
            (0..500.min(count - clients.len())).map(|_| Client::connect(app.business)).collect();
        for client in &mut some {
            client.send("GET", "/", &[]).expect("it is sent");
        }
        for client in &mut some {
            assert_eq!(client.read().expect("it is answered").status, 200);
        }
        clients.extend(some);
    }
    let ended = exits(app, "idle connections", 0, Duration::from_secs(2));
    assert_eq!(ended.report()["servers"][1]["abandoned"].as_array().map(Vec::len), Some(0));
    for client in &mut clients {
        assert!(client.is_closed(), "it is not reset");
    }
}

#[test]
fn pipelined_requests_at_the_moment_of_the_signal() {
    let app = start();
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(app.business)).collect();
    for client in &mut clients {
        let mut requests = "GET /slow?ms=2 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
        requests.push_str("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        client.write(requests.as_bytes()).expect("they are sent");
    }
    let readers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            thread::spawn(move || {
                let mut statuses = Vec::new();
                loop {
                    let response = client.read().expect("an answer, whole");
                    statuses.push(response.status);
                    if response.header("connection") == Some("close") {
                        return statuses;
                    }
                }
            })
        })
        .collect();
    thread::sleep(Duration::from_millis(10));
    exits(app, "pipelined requests", 0, DRAIN);
    for reader in readers {
        let statuses = reader.join().expect("no answer is broken");
        let (last, before) = statuses.split_last().expect("at least one");
        assert!(before.iter().all(|status| *status == 200), "{statuses:?}");
        assert!([200, 503].contains(last), "{statuses:?}");
    }
}
