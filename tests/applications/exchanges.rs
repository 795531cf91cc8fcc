//! What clients send to the applications, good and malformed.

/// Requests that are sent one after another on one connection, as they are; `{cookie}` is the last cookie that was set.
pub(super) struct Exchange {
    pub(super) name: &'static str,
    pub(super) requests: Vec<String>,
}

/// The opening handshake of a WebSocket.
pub(super) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn send(method: &str, path: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn exchange<const COUNT: usize>(name: &'static str, requests: [String; COUNT]) -> Exchange {
    Exchange { name, requests: requests.into() }
}

/// What every application is sent besides its own requests.
fn with_common(own: Vec<Exchange>) -> Vec<Exchange> {
    let common = [
        exchange("a route that is not there", [get("/missing"), get("/missing/%2e%2e/x?y=%zz")]),
        exchange("another method", [send("DELETE", "/slow", "text/plain", "")]),
        exchange("HTTP/1.0", ["GET /slow HTTP/1.0\r\n\r\n".into()]),
        exchange("no HTTP", ["hello\r\n\r\n".into()]),
        exchange("a header without a name", ["GET / HTTP/1.1\r\n: x\r\n\r\n".into()]),
        exchange("two lengths", ["GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".into()]),
        exchange("a length that is no number", ["POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n".into()]),
    ];
    own.into_iter().chain(common).collect()
}

pub(super) fn hello_world() -> Vec<Exchange> {
    with_common(vec![
        exchange("two on one connection", [get("/"), get("/")]),
        exchange("a name in the path", [get("/hello/w%C3%B6rld"), get("/hello/")]),
        exchange("a path that is not UTF-8", [get("/hello/%ff")]),
    ])
}

pub(super) fn state() -> Vec<Exchange> {
    with_common(vec![exchange("a counter", [get("/count"), get("/count"), get("/count")])])
}

pub(super) fn form() -> Vec<Exchange> {
    const FORM: &str = "application/x-www-form-urlencoded";
    with_common(vec![
        exchange("a form", [send("POST", "/form", FORM, "name=J%C3%BCrgen&age=7")]),
        exchange("a field that is missing", [send("POST", "/form", FORM, "name=x")]),
        exchange("a number that is none", [send("POST", "/form", FORM, "name=x&age=old")]),
        exchange("another content type", [send("POST", "/form", "text/plain", "name=x&age=7")]),
        exchange("too large", [send("POST", "/form", FORM, &format!("name={}&age=1", "x".repeat(40_000)))]),
    ])
}

pub(super) fn multipart() -> Vec<Exchange> {
    const TYPE: &str = "multipart/form-data; boundary=b";
    let part = |name: &str, text: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n{text}\r\n")
    };
    let two = part("a", "first") + &part("b", "second") + "--b--\r\n";
    let broken = part("a", "first") + "--b";
    with_common(vec![
        exchange("two files", [send("POST", "/upload", TYPE, &two)]),
        exchange("an end that is missing", [send("POST", "/upload", TYPE, &broken)]),
        exchange("no boundary", [send("POST", "/upload", "multipart/form-data", &two)]),
        exchange("another content type", [send("POST", "/upload", "text/plain", &two)]),
    ])
}

pub(super) fn json() -> Vec<Exchange> {
    const JSON: &str = "application/json";
    let head = "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let object = r#"{"name":"x","n":1}"#;
    let chunks = "8\r\n{\"name\":\r\n8\r\n\"x\",\"n\":\r\n2\r\n1}\r\n0\r\n\r\n";
    let large = format!(r#"{{"name":"{}","n":1}}"#, "x".repeat(5000));
    with_common(vec![
        exchange(
            "an object, twice",
            [send("POST", "/json", JSON, object), send("POST", "/json", JSON, object)],
        ),
        exchange("in chunks", [format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}")]),
        exchange("no JSON", [send("POST", "/json", JSON, "{")]),
        exchange("a field of another type", [send("POST", "/json", JSON, r#"{"name":1,"n":1}"#)]),
        exchange("too large", [send("POST", "/json", JSON, &large)]),
        exchange(
            "Expect: 100-continue",
            [format!("{head}Expect: 100-continue\r\nContent-Length: 18\r\n\r\n")],
        ),
    ])
}

pub(super) fn middleware() -> Vec<Exchange> {
    with_common(vec![
        exchange("a default header, and one of a function", [get("/")]),
        exchange("a path that is normalised", [get("/a//b/"), get("//a/b")]),
        exchange("an error that a middleware renders", [get("/teapot")]),
    ])
}

pub(super) fn cookie_session() -> Vec<Exchange> {
    let with_cookie =
        |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {{cookie}}\r\n\r\n");
    let forged = "GET /visits HTTP/1.1\r\nHost: localhost\r\nCookie: id=forged\r\n\r\n".to_owned();
    with_common(vec![
        exchange("a counter", [get("/visits"), with_cookie("/visits"), with_cookie("/visits")]),
        exchange("a forged cookie", [forged]),
        exchange("logging out", [get("/visits"), with_cookie("/logout")]),
    ])
}

pub(super) fn static_files() -> Vec<Exchange> {
    let with =
        |header: &str| format!("GET /files/LICENSE-MIT HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
    let range = |range: &str| with(&format!("Range: {range}"));
    with_common(vec![
        exchange("a file", [get("/files/LICENSE-MIT")]),
        exchange("ranges", [range("bytes=5-9"), range("bytes=-5"), range("bytes=999999-"), range("bytes=x")]),
        exchange(
            "a path that leaves the folder",
            [get("/files/../Cargo.toml"), get("/files/%2e%2e/%2e%2e/x")],
        ),
        exchange("a file that is not there", [get("/files/missing")]),
        exchange("a condition", [with("If-None-Match: *")]),
    ])
}

pub(super) fn chat() -> Vec<Exchange> {
    let without = |header: &str| {
        let kept: Vec<_> = UPGRADE.split("\r\n").filter(|line| !line.starts_with(header)).collect();
        kept.join("\r\n")
    };
    with_common(vec![
        exchange("no upgrade", [get("/ws")]),
        exchange("no key", [without("Sec-WebSocket-Key")]),
        exchange("no version", [without("Sec-WebSocket-Version")]),
    ])
}

pub(super) fn server_sent_events() -> Vec<Exchange> {
    with_common(vec![exchange("a stream that ends", [get("/three-events")])])
}

pub(super) fn background_jobs() -> Vec<Exchange> {
    with_common(vec![exchange(
        "a job, and the list",
        [send("POST", "/jobs", "text/plain", "work"), get("/jobs")],
    )])
}
