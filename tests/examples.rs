//! Each example runs as a process, and does what its first lines say.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU8, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
};

use tempfile::TempDir;

use crate::support::{
    Client, PAST_COALESCE, STUCK_AFTER,
    tools::{skipped, tool},
    wait_until,
};

/// A running example, in a directory of its own; killed on drop.
struct Example {
    child: Child,
    address: SocketAddr,
    lines: Receiver<String>,
    folder: TempDir,
}

/// The last byte of the next example's loopback address.
static NEXT: AtomicU8 = AtomicU8::new(1);

impl Example {
    /// Starts an example, and waits until it serves. Returns `None`, with a line that says so, if it is not built.
    fn start(name: &str) -> Option<Self> {
        Self::start_in(name, tempfile::tempdir().expect("a temporary folder"))
    }

    fn start_in(name: &str, folder: TempDir) -> Option<Self> {
        Self::start_with(name, folder, |command, address| {
            // The second one is for an example with an admin server.
            command.arg(SocketAddr::new(address.ip(), 8081).to_string());
        })
    }

    fn start_with(
        name: &str,
        folder: TempDir,
        add_arguments: impl FnOnce(&mut Command, SocketAddr),
    ) -> Option<Self> {
        let programs = Path::new(env!("CARGO_BIN_EXE_graceful-exit")).parent().expect("a folder");
        let program = programs.join("examples").join(name);
        if !program.is_file() {
            let why = "it is not built (`cargo test` builds it, `cargo test --test main` alone does not)";
            skipped(&format!("the example {name}"), why);
            return None;
        }
        // A loopback address of its own: no other program can take its port meanwhile.
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 128 | (high & 0x7f), low, NEXT.fetch_add(1, Ordering::Relaxed));
        let address = SocketAddr::from((address, 8080));
        let mut command = Command::new(program);
        command.arg(address.to_string()).current_dir(folder.path());
        add_arguments(&mut command, address);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let (send, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("a pipe");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The receiver is gone if the test has failed.
                let _ = send.send(line);
            }
        });
        wait_until("the example listens", || TcpStream::connect(address).is_ok());
        Some(Self { child, address, lines, folder })
    }

    fn get(&self, path: &str) -> String {
        Client::get(self.address, path).text()
    }

    fn post(&self, path: &str) -> (u16, String) {
        let answer = Client::request(self.address, "POST", path, &[("Content-Length", "0")], b"");
        (answer.status, answer.text())
    }

    /// Sends a request.
    fn send(&self, path: &str) -> Client {
        let mut client = Client::connect(self.address);
        client.send("GET", path, &[]).expect("the request is sent");
        client
    }

    fn signal(&self) {
        #[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
        // SAFETY: the child has not been waited for, so its id is its own.
        unsafe {
            libc::kill(libc::pid_t::try_from(self.child.id()).expect("a process id"), libc::SIGTERM);
        }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(STUCK_AFTER).expect("a line")
    }

    /// Waits for its end. Returns the exit code, and the lines that were not read yet.
    fn end(mut self) -> (Option<i32>, Vec<String>, TempDir) {
        let mut status = None;
        wait_until("the example ends", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        let lines = std::iter::from_fn(|| self.lines.recv_timeout(STUCK_AFTER).ok()).collect();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a temporary folder"));
        (status.and_then(|status| status.code()), lines, folder)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn minimal() {
    let Some(example) = Example::start("minimal") else { return };
    assert_eq!(example.get("/"), "hello\n");
    example.signal();
    assert_eq!(example.end().0, Some(0));
}

#[test]
fn admin() {
    let Some(example) = Example::start("admin") else { return };
    let admin = SocketAddr::new(example.address.ip(), 8081);
    assert_eq!(example.get("/"), "hello\n");
    assert_eq!(Client::get(admin, "/readyz").text(), "ready\n");
    assert!(Client::get(admin, "/").text().contains("<!doctype html>"));
    let metrics = Client::get(admin, "/metrics").text();
    assert!(
        metrics.contains("greetings_total 1\n") && metrics.contains("graceful_exit_ready 1.0\n"),
        "{metrics}"
    );
    let mut stop = Client::connect(admin);
    stop.send("POST", "/shutdown", &[("Host", "localhost"), ("Content-Length", "0")]).expect("sent");
    assert_eq!(stop.read().expect("answered").status, 202);
    assert_eq!(example.end().0, Some(0));
}

#[test]
fn timeouts() {
    for (ms, code, outcome) in [(300, 0, "Clean"), (60_000, 3, "Incomplete")] {
        let Some(example) = Example::start("timeouts") else { return };
        let mut request = example.send(&format!("/slow?ms={ms}"));
        // Whether the request is in flight at the signal or comes during the drain is the scheduler's choice: wait for
        // its bytes to be taken.
        wait_until("the request is read", || is_read(&request));
        example.signal();
        let answer = request.read();
        assert_eq!(answer.is_ok_and(|answer| answer.text() == "done\n"), code == 0, "{ms} ms");
        let (ended, lines, _) = example.end();
        assert_eq!(
            (ended, &lines[..]),
            (Some(code), &[format!("the exit was {outcome}, exit code {code}")][..])
        );
    }
}

/// True if the peer of a connection has read all that was sent: nothing waits to be read on its side.
fn is_read(client: &Client) -> bool {
    let port = client.socket().local_addr().expect("an address").port();
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux's table of connections");
    // `sl local remote state tx:rx …`; the peer's entry has our port as its remote one.
    table.lines().skip(1).any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[2].ends_with(&format!(":{port:04X}")) && fields[4].ends_with(":00000000")
    })
}

#[test]
fn callback_actor() {
    let Some(example) = Example::start("callback_actor") else { return };
    let mut slow = example.send("/slow");
    wait_until("the request is read", || is_read(&slow));
    example.signal();
    assert_eq!(slow.read().expect("it is answered").text(), "done\n");
    let (code, lines, _) = example.end();
    assert_eq!((code, &lines[..]), (Some(0), &["saved: 1 visits".to_owned()][..]));
}

#[test]
fn checkpoint() {
    let Some(example) = Example::start("checkpoint") else { return };
    for order in 1..=2 {
        assert_eq!(example.post("/orders"), (202, format!("order {order}\n")));
    }
    let slow = example.send("/slow");
    wait_until("the request is read", || is_read(&slow));
    example.signal();
    assert_eq!(example.line(), "saved at the beginning of the exit");
    thread::sleep(PAST_COALESCE);
    example.signal();
    let (code, _, folder) = example.end();
    assert_eq!(code, Some(1), "forced during the drain, before any callback");
    let Some(next) = Example::start_in("checkpoint", folder) else { return };
    assert_eq!(next.post("/orders"), (202, "order 3\n".to_owned()));
    next.signal();
    assert_eq!(next.end().0, Some(0));
}

#[test]
fn background_worker() {
    let Some(example) = Example::start("background_worker") else { return };
    for job in 1..=3 {
        assert_eq!(example.post("/jobs"), (202, format!("job {job}\n")));
    }
    assert_eq!(example.line(), "job 1 is begun");
    example.signal();
    assert_eq!(example.line(), "taking no more work, 2 jobs stay in the queue");
    assert_eq!(example.line(), "job 1 is done");
    let (code, lines, _) = example.end();
    assert_eq!((code, &lines[..]), (Some(0), &[][..]), "no other job is begun");
}

#[test]
fn database_pool() {
    let Some(example) = Example::start("database_pool") else { return };
    assert_eq!(example.post("/visits"), (200, "visit 1\n".to_owned()));
    example.signal();
    let (code, lines, _) = example.end();
    assert_eq!((code, lines.join(", ")), (Some(0), "counted, the pool is closed".to_owned()));
}

#[test]
fn streams() {
    let Some(example) = Example::start("streams") else { return };
    let mut events = example.send("/events");
    assert_eq!(events.read_head().expect("a head").0, 200);
    assert_eq!(events.read_chunk().expect("a chunk").as_deref(), Some(&b"data: 0\n\n"[..]));
    let mut websocket = Client::connect(example.address);
    let upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    websocket.send("GET", "/ws", &upgrade).expect("the request is sent");
    assert_eq!(websocket.read_head().expect("a head").0, 101);
    example.signal();
    // FIN, close, two bytes: 1001.
    assert_eq!(websocket.read_bytes(4).expect("a frame"), [0x88, 2, 0x03, 0xe9]);
    while let Some(event) = events.read_chunk().expect("it ends after a whole event") {
        assert!(event.ends_with(b"\n\n"));
    }
    assert_eq!(example.end().0, Some(0));
}

#[test]
fn http2() {
    let (Some(curl), Some(example)) = (tool("curl", "the example http2"), Example::start("http2")) else {
        return;
    };
    let mut client = Command::new(curl);
    client.args(["--silent", "--http2-prior-knowledge", &format!("http://{}/slow", example.address)]);
    let client = client.stdout(Stdio::piped()).spawn().expect("curl starts");
    assert_eq!(example.line(), "/slow begins");
    example.signal();
    let answer = client.wait_with_output().expect("curl ends");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "done over HTTP/2.0\n");
    assert_eq!(example.end().0, Some(0));
}

#[test]
fn tls() {
    over_tls(|folder, arguments| Example::start_with("tls", folder, arguments));
}

#[cfg(feature = "openssl")]
#[test]
fn openssl() {
    over_tls(|folder, arguments| Example::start_with("openssl", folder, arguments));
}

/// Starts an example with the arguments that are added to its command.
type Start = fn(TempDir, fn(&mut Command, SocketAddr)) -> Option<Example>;

fn over_tls(start: Start) {
    let Some(curl) = tool("curl", "the examples with TLS") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("cert.pem"), own.cert.pem()).expect("a file");
    std::fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem()).expect("a file");
    let files = |command: &mut Command, _| {
        command.args(["cert.pem", "key.pem"]);
    };
    let Some(example) = start(folder, files) else { return };
    let mut client = Command::new(curl);
    let resolve = format!("localhost:{}:{}", example.address.port(), example.address.ip());
    client.args(["--silent", "--show-error", "--cacert", "cert.pem", "--resolve", &resolve]);
    client.arg(format!("https://localhost:{}/", example.address.port())).current_dir(example.folder.path());
    let answer = client.output().expect("curl runs");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "hello over https and HTTP/2.0\n", "{answer:?}");
    example.signal();
    assert_eq!(example.end().0, Some(0));
}

#[test]
fn tracing() {
    let Some(example) = Example::start("tracing") else { return };
    assert_eq!(example.get("/"), "hello\n");
    example.signal();
    let (code, lines, _) = example.end();
    assert_eq!((code, &lines[..]), (Some(0), &["exported: request, flush".to_owned()][..]));
}

#[test]
fn existing_system() {
    let Some(example) = Example::start("existing_system") else { return };
    assert_eq!(example.get("/"), "1\n");
    example.signal();
    let (code, lines, _) = example.end();
    assert_eq!(
        (code, lines.join(", ")),
        (Some(0), "the exit was Clean, the counter still runs: Some(2)".to_owned())
    );
}

/// An example without a row here would never run.
#[test]
fn every_example_is_run() {
    let here = include_str!("examples.rs");
    for entry in
        std::fs::read_dir(crate::support::tools::project_file("examples")).expect("a folder").flatten()
    {
        let name = entry.path().file_stem().expect("a name").to_string_lossy().into_owned();
        // Its own tests run with `cargo test`.
        let is_run = name == "shutdown_test"
            || ["", "_with"].iter().any(|how| here.contains(&format!("Example::start{how}(\"{name}\"")));
        assert!(is_run, "{name}");
    }
}
