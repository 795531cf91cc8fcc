//! Clients that go on asking while a server exits.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::client::Client;

/// A crowd of clients on threads of their own.
pub(crate) struct Crowd {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
}

/// Requests that were written, and of these the ones that were not answered in full.
type Tally = (usize, usize);

const CLIENTS: usize = 32;
/// Until all of them are at it.
const WARM_UP: Duration = Duration::from_millis(150);
const PACE: Duration = Duration::from_millis(5);
/// More newcomers than this there are not, however long the exit takes.
const NEWCOMERS: usize = 600;

impl Crowd {
    /// Keep-alive clients that ask as soon as they have been answered, and connect anew when their connection was
    /// closed. Each request is `wire` under way between the decision to send it and its arrival.
    pub(crate) fn back_to_back(address: SocketAddr, wire: Duration) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = || {
            let over = Arc::clone(&over);
            thread::spawn(move || keep_asking(address, wire, &over))
        };
        let threads = (0..CLIENTS).map(|_| client()).collect();
        thread::sleep(WARM_UP);
        Self { over, threads }
    }

    /// A new client each five milliseconds, whatever became of the one before.
    pub(crate) fn newcomers(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut threads = Vec::new();
            while !told.load(Ordering::Acquire) && threads.len() < NEWCOMERS {
                threads.push(thread::spawn(move || come(address)));
                thread::sleep(PACE);
            }
            threads.into_iter().map(joined).fold((0, 0), add)
        });
        Self { over, threads: vec![thread] }
    }

    /// Waits until each has had its last answer, or been told that there is none.
    pub(crate) fn dismiss(self) -> Tally {
        self.over.store(true, Ordering::Release);
        self.threads.into_iter().map(joined).fold((0, 0), add)
    }
}

fn keep_asking(address: SocketAddr, wire: Duration, over: &AtomicBool) -> Tally {
    let (mut asked, mut lost) = (0, 0);
    while !over.load(Ordering::Acquire) {
        // Refused, or reset while it was being opened: nothing has been asked.
        let Ok(mut client) = Client::connect(address) else {
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
    /// A client may safely send it elsewhere.
    NotWritten,
}

fn ask(client: &mut Client, wire: Duration) -> Asked {
    if !wire.is_zero() {
        thread::sleep(wire);
    }
    match client.get("/") {
        // What is on the wire has been written, whatever it meets at the other end.
        Err(error) if !wire.is_zero() => return Asked::Lost(error),
        Err(_) => return Asked::NotWritten,
        Ok(()) => {}
    }
    match client.answer() {
        Ok(answer) if answer.is_good() => Asked::Answered { last: answer.last },
        Ok(answer) => Asked::Lost(io::Error::other(format!("status {}", answer.status))),
        Err(error) => Asked::Lost(error),
    }
}

/// Connects and asks once: to be answered in full, or to be refused.
fn come(address: SocketAddr) -> Tally {
    let answered = Client::connect(address).and_then(|mut client| {
        client.get("/")?;
        client.answer()
    });
    match answered {
        Ok(answer) if answer.is_good() => (1, 0),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => (1, 0),
        Ok(_) => (1, 1),
        Err(error) => {
            if std::env::var_os("TRACE").is_some() {
                eprintln!("newcomer lost: {error}");
            }
            (1, 1)
        }
    }
}

fn joined(thread: JoinHandle<Tally>) -> Tally {
    thread.join().unwrap_or((0, 0))
}

fn add(one: Tally, other: Tally) -> Tally {
    (one.0 + other.0, one.1 + other.1)
}
