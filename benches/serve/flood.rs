//! Clients that send without reading.

use std::{
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use crate::{
    common::{
        client::{Client, Target},
        process::Process,
        servers::Framework,
    },
    metric::{Metric, Sample},
    stage::{Stage, stop},
};

/// How long a client sends.
const NEVER_READS: Duration = Duration::from_secs(10);
/// A request whose answer has no body.
const EMPTY: &str = "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The requests that are sent ahead, and the one that they wait behind.
const SMALL: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const AHEAD: usize = 5000;
const SLOW: &str = "/slow?ms=4000";
const CLIENTS: usize = 100;
/// How long the memory is looked at while all of them wait.
const WAITING: Duration = Duration::from_secs(2);
/// The timeout of a write which a server does not take.
const UNTAKEN: Duration = Duration::from_millis(100);
/// The interval between two looks at the memory.
const LOOK: Duration = Duration::from_millis(20);
/// With so much memory the measurement ends, for the machine's sake.
const TOO_MUCH_KIB: u64 = 2 << 20;

/// One client that pipelines requests with empty answers.
pub(crate) fn never_reads(stage: &Stage) -> io::Result<Sample> {
    let server = stage.start(None)?;
    let mut client = Client::connect(&Target { address: server.address, tls: None })?;
    client.get("/")?;
    client.answer()?;
    let mut memory = Memory::new(&server);
    let requests = EMPTY.repeat(1000);
    send(&client, requests.as_bytes(), NEVER_READS, || memory.look(&server))?;
    finish(stage, server, &memory)
}

/// Many clients whose requests wait behind a slow one.
pub(crate) fn ahead(stage: &Stage) -> io::Result<Sample> {
    let server = stage.start(None)?;
    let target = Target { address: server.address, tls: None };
    let mut clients = (0..CLIENTS).map(|_| Client::connect(&target)).collect::<io::Result<Vec<_>>>()?;
    for client in &mut clients {
        client.get("/")?;
        client.answer()?;
    }
    let mut memory = Memory::new(&server);
    for client in &mut clients {
        client.get(SLOW)?;
    }
    let requests = SMALL.repeat(AHEAD);
    thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter()
            .map(|client| {
                let requests = &requests;
                scope.spawn(move || {
                    client.socket().set_write_timeout(Some(UNTAKEN))?;
                    // The server takes as much as it wants.
                    let _ = client.socket().write_all(requests.as_bytes());
                    Ok::<_, io::Error>(())
                })
            })
            .collect();
        let begun = Instant::now();
        while begun.elapsed() < WAITING && memory.look(&server) {
            thread::sleep(LOOK);
        }
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked")))
        })
    })?;
    finish(stage, server, &memory)
}

/// Sends the bytes again and again, as far as they are taken.
fn send(client: &Client, bytes: &[u8], time: Duration, mut goes_on: impl FnMut() -> bool) -> io::Result<()> {
    let mut socket = client.socket();
    socket.set_write_timeout(Some(UNTAKEN))?;
    let begun = Instant::now();
    let mut sent = 0;
    while begun.elapsed() < time && goes_on() {
        match socket.write(&bytes[sent..]) {
            Ok(written) => sent = (sent + written) % bytes.len(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The server has closed the connection.
            Err(_) => thread::sleep(UNTAKEN),
        }
    }
    Ok(())
}

/// The growth, of a server that must still serve others.
fn finish(stage: &Stage, server: Process, memory: &Memory) -> io::Result<Sample> {
    if let Err(error) = serves_another(&server) {
        let error = io::Error::other(format!("{}: another client is not served: {error}", stage.framework));
        if stage.framework == Framework::Library {
            return Err(error);
        }
        eprintln!("{error}");
    }
    stop(server)?;
    let grown = memory.most_kib.saturating_sub(memory.before_kib);
    let kib = f64::from(u32::try_from(grown).unwrap_or(u32::MAX));
    Ok(vec![(Metric::Growth, kib / 1024.0)])
}

fn serves_another(server: &Process) -> io::Result<()> {
    let mut other = Client::connect(&Target { address: server.address, tls: None })?;
    other.get("/")?;
    match other.answer()?.status {
        200 => Ok(()),
        status => Err(io::Error::other(format!("status {status}"))),
    }
}

/// A server's resident memory over time.
struct Memory {
    before_kib: u64,
    most_kib: u64,
}

impl Memory {
    fn new(server: &Process) -> Self {
        let now = server.memory_kib().unwrap_or(0);
        Self { before_kib: now, most_kib: now }
    }

    /// Returns false if it is too much.
    fn look(&mut self, server: &Process) -> bool {
        self.most_kib = self.most_kib.max(server.memory_kib().unwrap_or(0));
        self.most_kib < TOO_MUCH_KIB
    }
}
