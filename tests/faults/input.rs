//! No input to either server is answered by a 500 or kills a worker. Settings are fuzzed in `settings::tests`; access to
//! `POST /shutdown` is tested in `admin::access` and `tests/admin.rs`.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Mutex,
    time::{Duration, Instant},
};

use super::stage::{Random, times};
use crate::support::{App, Client, STUCK_AFTER, side_by_side};

const TOKEN: &str = "a-token-that-is-hard-to-guess-0123456789";

const METHODS: &[&str] = &[
    "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "BREW",
    "G\u{e9}T", "",
];
const VERSIONS: &[&str] = &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "HTTP"];
const PATHS: &[&str] = &[
    "/",
    "/slow",
    "/stream",
    "/events",
    "/ws",
    "/cache/key",
    "/cache/",
    "/cache/a/b",
    "/cache/%00",
    "/cache/%ff%fe",
    "/cache/%2e%2e%2f",
    "/cache/%",
    "/cache/%zz",
    "/chaos/block",
    "/healthz",
    "/readyz",
    "/status",
    "/metrics",
    "/shutdown",
    "/../../etc/passwd",
    "//",
    "/\u{4f60}\u{597d}",
    "*",
    "http://elsewhere/",
    "",
    "?",
    "/slow/",
];
const QUERIES: &[&str] = &[
    "",
    "?",
    "?ms=3",
    "?ms=0",
    "?ms=-1",
    "?ms=1e3",
    "?ms=99999999999999999999",
    "?ms=600001",
    "?ms=",
    "?ms",
    "?ms=1&ms=2",
    "?n=3&ms=0",
    "?n=1000001&ms=0",
    "?n=-1&ms=%00",
    "?&&&=&",
    "?ms=%ff",
    "?ms=%",
    "?n=100000&ms=0",
];
const HEADERS: &[&str] = &[
    "Host: localhost",
    "Host: ",
    "Host: \u{1}\u{2}",
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 400000",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Expect: 100-continue",
    "Connection: close",
    "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Upgrade: h2c",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Content-Encoding: gzip",
    "Content-Type: \u{fffd}",
    "Authorization: Bearer wrong",
    "Authorization: Bearer ",
    "Authorization: Basic Og==",
    "Origin: http://evil.example",
    "Forwarded: for=127.0.0.1;host=localhost",
    "X-Forwarded-For: 127.0.0.1",
    "Range: bytes=0-",
    "Range: bytes=9-1",
    "If-None-Match: *",
    "Accept: ;;;,q=7",
    "Cookie: =;=",
    ": nameless",
    "No-Colon",
    " folded",
];
const BODIES: &[&str] = &[
    "",
    "value",
    "5\r\nvalue\r\n0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "zz\r\n",
    "5\r\nva",
    "0\r\nTrailer: x\r\n\r\n",
    "\u{81}\u{85}\0\0\0\0hello",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
];

/// Valid requests, which are then damaged at random.
const GOOD: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "HEAD / HTTP/1.1\r\n",
    "GET /slow?ms=3 HTTP/1.1\r\n",
    "GET /stream?n=3&ms=1 HTTP/1.1\r\n",
    "GET /events HTTP/1.1\r\n",
    "GET /cache/key HTTP/1.1\r\n",
    "PUT /cache/key HTTP/1.1\r\nContent-Length: 5\r\n",
    "PUT /cache/key HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
    "GET /ws HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "GET /healthz HTTP/1.1\r\n",
    "GET /readyz HTTP/1.1\r\n",
    "GET /status HTTP/1.1\r\n",
    "GET /metrics HTTP/1.1\r\n",
    "POST /shutdown HTTP/1.1\r\nContent-Length: 0\r\n",
];

fn request(random: &mut Random) -> Vec<u8> {
    let version = random.of_these::<&str>(VERSIONS);
    let (method, path, query) =
        (random.of_these::<&str>(METHODS), random.of_these::<&str>(PATHS), random.of_these::<&str>(QUERIES));
    let mut text = format!("{method} {path}{query} {version}\r\n");
    if random.below(2) == 0 {
        text = format!("{}Host: localhost\r\n", random.of_these::<&str>(GOOD));
    }
    for _ in 0..random.below(4) {
        text.push_str(random.of_these::<&str>(HEADERS));
        text.push_str("\r\n");
    }
    if random.below(20) == 0 {
        text.extend(["X-Long: ", &"x".repeat(random.below(300_000)), "\r\n"]);
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    if random.below(30) == 0 {
        bytes.extend(vec![b'x'; 300_000]);
    } else {
        bytes.extend(random.of_these::<&str>(BODIES).as_bytes());
    }
    // A third of them are damaged: bytes changed, cut off, or all random.
    match random.below(9) {
        0 => {
            for _ in 0..=random.below(8) {
                let place = random.below(bytes.len());
                bytes[place] = random.next().to_le_bytes()[0];
            }
        }
        1 => bytes.truncate(random.below(bytes.len())),
        2 => bytes = (0..random.below(2_000)).map(|_| random.next().to_le_bytes()[0]).collect(),
        _ => {}
    }
    bytes
}

/// Statuses that the servers answer to some of them; a run that has not met them all has tried too little.
const REACHED: [&str; 6] = ["200", "204", "400", "401", "404", "405"];

/// The bytes answered within the read timeout, or `None` if the connection is refused.
fn answer(server: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
    let mut socket = TcpStream::connect(server).ok()?;
    socket.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    // The server may have closed the connection already.
    let _ = socket.write_all(request);
    let _ = socket.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let mut part = vec![0; 65_536];
    let start = Instant::now();
    // Some answers never end; only the beginning matters.
    while start.elapsed() < Duration::from_millis(200) {
        match socket.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend(&part[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    Some(answer)
}

#[test]
fn no_request_is_answered_by_a_500_or_kills_a_worker() {
    const WORKERS: usize = 2;
    let random = Random::of("HTTP");
    let requests = times(400, 6_000);
    let workers = [format!("servers.business.workers={WORKERS}"), format!("servers.admin.workers={WORKERS}")];
    let token = format!("admin.token={TOKEN}");
    let app = App::start(&[&workers[0], &workers[1], &token, "shutdown.drain_timeout=300ms"]);
    let statuses = Mutex::new(BTreeSet::new());
    let is_missing = |status: &&str| !statuses.lock().expect("no panic").contains(*status);
    let start = Instant::now();
    side_by_side(
        &[(app.business, 0), (app.admin, 1), (app.business, 2), (app.admin, 3)],
        |&(server, part)| {
            let mut random = random.part(part);
            let mut tried = 0;
            // At least this many, then until every expected status has been seen.
            while tried < requests / 4 || (REACHED.iter().any(is_missing) && start.elapsed() < STUCK_AFTER) {
                tried += 1;
                let request = request(&mut random);
                let answer = answer(server, &request).expect("the server takes connections");
                let five = b"HTTP/1.1 5";
                let bad = answer.windows(five.len()).any(|part| part == five);
                if let Some(status) = answer.get(9..12) {
                    statuses.lock().expect("no panic").insert(String::from_utf8_lossy(status).into_owned());
                }
                let shown =
                    |bytes: &[u8]| bytes.escape_ascii().to_string().chars().take(600).collect::<String>();
                assert!(!bad, "{}\nwas answered by\n{}", shown(&request), shown(&answer));
            }
        },
    );
    assert!(!app.log_text().contains("panicked"), "{}", app.log_text());
    let missing: Vec<_> = REACHED.iter().filter(|status| is_missing(status)).collect();
    assert!(missing.is_empty(), "{missing:?} was never answered: too few requests were tried");
    // Enough connections that every worker gets one.
    for server in [app.business, app.admin] {
        for _ in 0..16 * WORKERS {
            let path = if server == app.admin { "/healthz" } else { "/" };
            assert_eq!(Client::get(server, path).status, 200);
        }
    }
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    assert!(matches!(ended.code(), Some(0 | 3)), "{}", ended.text());
    assert!(!ended.has("panicked") && !ended.has("failed"), "{}", ended.text());
}

#[test]
fn no_wrong_token_starts_the_exit_however_often_it_is_tried() {
    let token = format!("admin.token={TOKEN}");
    let app = App::start(&[&token]);
    let post = |given: &[&str]| {
        let values: Vec<_> = given.iter().map(|given| format!("Bearer {given}")).collect();
        let mut headers: Vec<_> = values.iter().map(|value| ("Authorization", value.as_str())).collect();
        headers.push(("Content-Length", "0"));
        Client::request(app.admin, "POST", "/shutdown", &headers, b"").status
    };
    for length in 0..TOKEN.len() {
        assert_eq!(post(&[&TOKEN[..length]]), 401, "the first {length} bytes of it");
        let wrong = format!("{}!{}", &TOKEN[..length], &TOKEN[length + 1..]);
        assert_eq!(post(&[&wrong]), 401, "byte {length} is wrong");
    }
    let longer = format!("{TOKEN}{TOKEN}");
    let long = "x".repeat(60_000);
    for wrong in [&[][..], &[""], &[&longer], &[&long], &[TOKEN, TOKEN], &["wrong", TOKEN], &[TOKEN, "wrong"]]
    {
        assert_eq!(post(wrong), 401, "{} of them", wrong.len());
    }
    for _ in 0..200 {
        assert_eq!(post(&["wrong"]), 401);
    }
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
    assert_eq!(post(&[TOKEN]), 202);
    assert_eq!(app.wait().code(), Some(0));
}
