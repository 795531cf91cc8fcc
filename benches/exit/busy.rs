//! Clients that keep sending requests while a server exits.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::common::client::{Answer, Client, Target};

/// Clients, each on a thread of its own.
pub(crate) struct Crowd {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
}

/// The number of requests that were written, and of those not answered in full.
type Tally = (usize, usize);

const CLIENTS: usize = 32;
/// The time until all clients are sending.
const WARM_UP: Duration = Duration::from_millis(150);
const PACE: Duration = Duration::from_millis(5);
/// The limit of new clients, however long the exit takes.
const MAX_NEW_CLIENTS: usize = 600;

impl Crowd {
    /// Keep-alive clients that send the next request as soon as they have an answer, and connect anew when their
    /// connection is closed. Each request arrives `wire` after the decision to send it.
    pub(crate) fn back_to_back(target: &Target, wire: Duration) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = || {
            let (over, target) = (Arc::clone(&over), target.clone());
            thread::spawn(move || send_repeatedly(&target, wire, &over))
        };
        let threads = (0..CLIENTS).map(|_| client()).collect();
        thread::sleep(WARM_UP);
        Self { over, threads }
    }

    /// A new client every five milliseconds, independent of the earlier ones.
    pub(crate) fn new_clients(target: &Target) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (told, target) = (Arc::clone(&over), target.clone());
        let thread = thread::spawn(move || {
            let mut threads = Vec::new();
            while !told.load(Ordering::Acquire) && threads.len() < MAX_NEW_CLIENTS {
                let target = target.clone();
                threads.push(thread::spawn(move || come(&target)));
                thread::sleep(PACE);
            }
            threads.into_iter().map(joined).fold((0, 0), add)
        });
        Self { over, threads: vec![thread] }
    }

    /// Waits until each client has had its last answer or its connection's end.
    pub(crate) fn dismiss(self) -> Tally {
        self.over.store(true, Ordering::Release);
        self.threads.into_iter().map(joined).fold((0, 0), add)
    }
}

fn send_repeatedly(target: &Target, wire: Duration, over: &AtomicBool) -> Tally {
    let (mut asked, mut lost) = (0, 0);
    while !over.load(Ordering::Acquire) {
        // Refused, or reset while it was opened: no request was sent.
        let Ok(mut client) = Client::connect(target) else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        while !over.load(Ordering::Acquire) && !client.is_closed() {
            match ask(&mut client, wire) {
                Asked::Answered { last } => {
                    asked += 1;
                    if last {
                        break;
                    }
                }
                Asked::Lost(error) => {
                    if std::env::var_os("TRACE").is_some() {
                        eprintln!("lost: {error}");
                    }
                    asked += 1;
                    lost += 1;
                    break;
                }
                Asked::NotWritten => break,
            }
        }
    }
    (asked, lost)
}

enum Asked {
    Answered {
        last: bool,
    },
    Lost(io::Error),
    /// The request was not processed: a client may safely repeat it.
    NotWritten,
}

fn ask(client: &mut Client, wire: Duration) -> Asked {
    if !wire.is_zero() {
        thread::sleep(wire);
    }
    match client.get("/") {
        // The request counts as written once it is on the wire.
        Err(error) if !wire.is_zero() => return Asked::Lost(error),
        Err(_) => return Asked::NotWritten,
        Ok(()) => {}
    }
    match client.answer() {
        Ok(answer) if is_good(&answer) => Asked::Answered { last: answer.last },
        Ok(answer) => Asked::Lost(io::Error::other(format!("status {}", answer.status))),
        Err(error) => Asked::Lost(error),
    }
}

/// Connects and sends one request, which is answered in full, refused or lost.
fn come(target: &Target) -> Tally {
    let answered = Client::connect(target).and_then(|mut client| {
        client.get("/")?;
        client.answer()
    });
    match answered {
        Ok(answer) if is_good(&answer) => (1, 0),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => (1, 0),
        Ok(_) => (1, 1),
        Err(error) => {
            if std::env::var_os("TRACE").is_some() {
                eprintln!("new client lost: {error}");
            }
            (1, 1)
        }
    }
}

/// True for a success or a rejection that the client may repeat.
pub(crate) fn is_good(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 503)
}

fn joined(thread: JoinHandle<Tally>) -> Tally {
    thread.join().unwrap_or((0, 0))
}

fn add(one: Tally, other: Tally) -> Tally {
    (one.0 + other.0, one.1 + other.1)
}
