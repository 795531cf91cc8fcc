//! A kernel without help: the options by which a listening socket turns new connections away are refused, or are taken
//! without any effect. No request is lost of which the server's kernel has taken a byte.
//!
//! A client whose handshake is in progress when the listening socket is closed is reset, and no system call tells the
//! server of it. Such a client may have sent a request, of which no byte is acknowledged: it has not been processed, and
//! may be repeated. About one in three hundred exits met one, with 200 new clients a second; they are counted apart.

use std::{
    fs,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    stage::{say, times},
    system,
};
use crate::support::{App, Client, folder, wait_until};

/// What the kernel does with each of the options.
#[derive(Clone, Copy, Debug)]
enum Help {
    /// It does not know them, as Linux before 5.0.
    Unknown,
    /// It does not allow them, as Linux before 5.7 to a user without rights.
    Forbidden,
    /// It says that all is well, as systems do that only look like Linux.
    Pretended,
}

/// How long the drain is held by a request that is slow.
#[derive(Clone, Copy, Debug)]
enum Drain {
    Free,
    Held,
}

#[test]
fn no_request_is_lost_where_the_kernel_does_not_help_to_close_a_listening_socket() {
    for help in [Help::Unknown, Help::Forbidden, Help::Pretended] {
        for drain in [Drain::Free, Drain::Held] {
            let exits = times(1, 10);
            let all: Vec<_> = (0..exits).flat_map(|_| exit(help, drain)).collect();
            let sum = |of: fn(&Tally) -> usize| all.iter().map(of).sum::<usize>();
            let (sent, reset) = (sum(|tally| tally.sent), sum(|tally| tally.reset_in_handshake));
            let lost: Vec<_> = all.iter().flat_map(|tally| &tally.lost).collect();
            let lost_of = format!("{} of {sent} lost", lost.len());
            let what = format!("{help:?}, {drain:?}: {lost_of}, {reset} handshakes reset, {exits} exits");
            assert!(lost.is_empty(), "{what}: {lost:?}");
            say(what);
        }
    }
}

/// One exit with busy clients, clients with a long wire, and a new client each few milliseconds.
fn exit(help: Help, drain: Drain) -> Vec<Tally> {
    let folder = folder();
    let mut command = App::command(folder.path());
    for setting in [
        "servers.business.workers=4",
        "shutdown.stop_timeout=3s",
        // Longer than a client waits for a processor that is busy.
        "shutdown.keep_alive_grace=500ms",
    ] {
        command.args(["-s", setting]);
    }
    let error = match help {
        Help::Unknown => libc::ENOPROTOOPT,
        Help::Forbidden => libc::EPERM,
        Help::Pretended => 0,
    };
    let options = [libc::SO_BINDTOIFINDEX, libc::SO_ATTACH_FILTER];
    system::answers_socket_options(&mut command, options, error);
    let app = App::start_command(folder, command);
    let status = fs::read_to_string(format!("/proc/{}/status", app.id())).expect("its status");
    assert!(status.contains("Seccomp:\t2"), "its calls are not filtered: {status}");

    let slow = matches!(drain, Drain::Held).then(|| app.in_flight("/slow?ms=300"));
    let traffic = Traffic::start(app.business);
    thread::sleep(Duration::from_millis(100));
    app.signal(libc::SIGTERM);
    let slow = slow.map(|mut client| client.read().expect("it is answered").status);
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(slow.is_none_or(|status| status == 200));
    traffic.stop()
}

/// What clients have sent, and what of it was not answered in full.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    lost: Vec<io::Error>,
    /// Of those sent, no byte was acknowledged.
    reset_in_handshake: usize,
}

impl Tally {
    fn add(mut self, other: Self) -> Self {
        self.sent += other.sent;
        self.lost.extend(other.lost);
        self.reset_in_handshake += other.reset_in_handshake;
        self
    }

    /// Returns true if the connection may be used once more.
    fn count(&mut self, client: &Client, answered: io::Result<bool>) -> bool {
        self.sent += 1;
        answered.unwrap_or_else(|error| {
            if error.kind() == ErrorKind::ConnectionReset && !system::is_acknowledged(client.socket()) {
                self.reset_in_handshake += 1;
            } else {
                self.lost.push(error);
            }
            false
        })
    }
}

/// Clients that go on until they are stopped: a thread for each kind.
struct Traffic {
    kinds: Vec<(Arc<Kind>, JoinHandle<Tally>)>,
}

#[derive(Debug, Default)]
struct Kind {
    is_over: AtomicBool,
    has_been_answered: AtomicBool,
}

impl Kind {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn has_been_answered(&self) -> bool {
        self.has_been_answered.load(Ordering::Relaxed)
    }
}

impl Traffic {
    /// Returns when each kind has had an answer.
    fn start(to: SocketAddr) -> Self {
        let kind = |run: fn(SocketAddr, &Arc<Kind>) -> Tally| {
            let kind = Arc::new(Kind::default());
            (Arc::clone(&kind), thread::spawn(move || run(to, &kind)))
        };
        let kinds = vec![
            kind(|to, kind| many(16, || repeated(to, kind, Duration::ZERO))),
            kind(|to, kind| many(8, || repeated(to, kind, Duration::from_millis(1)))),
            kind(new_clients),
        ];
        wait_until("each kind of client is busy", || kinds.iter().all(|(kind, _)| kind.has_been_answered()));
        Self { kinds }
    }

    fn stop(self) -> Vec<Tally> {
        for (kind, _) in &self.kinds {
            kind.is_over.store(true, Ordering::Relaxed);
        }
        self.kinds.into_iter().map(|(_, thread)| thread.join().expect("no panic")).collect()
    }
}

fn many(clients: usize, run: impl Fn() -> Tally + Sync) -> Tally {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(&run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).fold(Tally::default(), Tally::add)
    })
}

/// One that sends the next request as soon as it has an answer, and connects anew when its connection is closed. Each
/// request arrives `wire` after the decision to send it.
fn repeated(to: SocketAddr, kind: &Kind, wire: Duration) -> Tally {
    let mut tally = Tally::default();
    while !kind.is_over() {
        // Refused, or reset while it was opened: no request was sent.
        let Ok(mut client) = Client::try_connect(to) else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        while !kind.is_over() {
            if !wire.is_zero() {
                thread::sleep(wire);
            }
            if client.send("GET", "/", &[]).is_err() && wire.is_zero() {
                break;
            }
            let answered = answered(&mut client, kind);
            if !tally.count(&client, answered) {
                break;
            }
        }
    }
    tally
}

/// A client each five milliseconds, whatever becomes of the others: answered, or refused.
fn new_clients(to: SocketAddr, kind: &Arc<Kind>) -> Tally {
    let mut clients = Vec::new();
    while !kind.is_over() {
        let kind = Arc::clone(kind);
        clients.push(thread::spawn(move || {
            let mut tally = Tally::default();
            match Client::try_connect(to) {
                Ok(mut client) => {
                    let answered = client.send("GET", "/", &[]).and_then(|()| answered(&mut client, &kind));
                    tally.count(&client, answered);
                }
                // No request was sent.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {}
                Err(error) => tally.lost.push(error),
            }
            tally
        }));
        thread::sleep(Duration::from_millis(5));
    }
    let clients = clients.into_iter().map(|client| client.join().expect("no panic"));
    clients.fold(Tally::default(), Tally::add)
}

/// Reads an answer. Returns true if its connection may be used once more.
fn answered(client: &mut Client, kind: &Kind) -> io::Result<bool> {
    let response = client.read()?;
    kind.has_been_answered.store(true, Ordering::Relaxed);
    match response.status {
        200 | 503 => Ok(response.header("connection") != Some("close")),
        status => Err(io::Error::other(format!("status {status}"))),
    }
}
