//! A server with its clients at the moment of the signal, and the measurement of one exit.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::{
    busy::{Crowd, is_good},
    common::{
        client::{Client, Target},
        crowd::connect_and_use,
        process::Process,
    },
    programs::{Kind, Programs},
    rows::Row,
    situation::{Age, Situation},
    streams::Streams,
};

/// A running server with its clients in place.
pub(crate) struct Scene {
    situation: Situation,
    process: Process,
    target: Target,
    /// Connections whose requests are answered after the signal.
    clients: Vec<Client>,
    idle: Vec<Client>,
    crowd: Option<Crowd>,
    streams: Option<Streams>,
    memory_per_connection: Option<u64>,
}

/// The measurement of one exit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// From the row's first instant to the process's end; `None` if it was killed.
    pub(crate) took: Option<Duration>,
    /// The number of requests that were written, or of connections.
    pub(crate) asked: usize,
    /// The number of requests that were not answered in full, or of connections that were not closed in order.
    pub(crate) lost: usize,
    /// Streams that the client knows were not processed.
    pub(crate) repeatable: usize,
    /// Streams that were answered with 503.
    pub(crate) rejected: usize,
    /// In bytes.
    pub(crate) memory_per_connection: Option<u64>,
}

/// Idle for longer than the second within which a server counts a connection as recently used.
pub(crate) const AGE: Duration = Duration::from_millis(1100);
/// The timeout of an exit from the last signal on: a server that takes longer counts as never ending.
const STUCK_AFTER: Duration = Duration::from_secs(3);
/// The same of one that has to send what a thousand streams are waiting for.
const STREAMS_STUCK_AFTER: Duration = Duration::from_secs(15);
/// The time until a written request is in its handler.
const UNDER_WAY: Duration = Duration::from_millis(100);
/// A request that is answered after the signal.
const SLOW: &str = "/slow?ms=600";
const HALF_A_HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: local";
/// The time that bytes of a stream are on their way.
const WIRE: Duration = Duration::from_millis(5);

impl Scene {
    /// Starts the server and connects the row's clients.
    pub(crate) fn set(row: &Row, kind: Kind, programs: &Programs) -> io::Result<Self> {
        let situation = row.situation;
        let process = programs.start(kind, row.transport, situation.workers())?;
        let target = programs.target(process.address, row.transport);
        let streams = |path: &str, wire| {
            Streams::start(&programs.http2_target(target.address, row.transport), path, wire)
        };
        let connect = |count| (0..count).map(|_| Client::connect(&target)).collect::<io::Result<Vec<_>>>();
        let mut scene = Self {
            situation,
            target: target.clone(),
            clients: Vec::new(),
            idle: Vec::new(),
            crowd: None,
            streams: None,
            memory_per_connection: None,
            process,
        };
        match situation {
            Situation::NewClients | Situation::Callbacks => {}
            Situation::Idle { connections, .. } => scene.idle = connect_and_use(&target, connections)?,
            Situation::Pooled { connections } => close_in_return(connect_and_use(&target, connections)?)?,
            Situation::HalfHead => {
                scene.idle = connect(1)?;
                scene.idle[0].write(HALF_A_HEAD)?;
            }
            Situation::Mute => scene.idle = connect(1)?,
            Situation::InFlight { idle, .. } => scene.set_crowd(idle)?,
            Situation::Second => {
                scene.clients = connect(1)?;
                scene.clients[0].get("/slow?ms=60000")?;
            }
            Situation::Blocked => {
                for _ in 0..64 {
                    let mut client = Client::connect(&target)?;
                    client.get("/chaos/block?ms=60000")?;
                    scene.clients.push(client);
                    // One after another, so that each gets a worker that is not blocked.
                    thread::sleep(Duration::from_millis(2));
                }
            }
            Situation::Busy { wire, .. } => scene.crowd = Some(Crowd::back_to_back(&target, wire)),
            Situation::SecondStreams => {
                scene.streams = Some(streams("/slow?ms=60000", Duration::ZERO)?);
            }
            Situation::Streams { bytes } => scene.streams = Some(streams(&format!("/bytes/{bytes}"), WIRE)?),
        }
        Ok(scene)
    }

    fn set_crowd(&mut self, idle: usize) -> io::Result<()> {
        let before = self.process.memory_kib();
        self.idle = connect_and_use(&self.target, idle)?;
        let grown = before.zip(self.process.memory_kib()).map(|(before, after)| after.saturating_sub(before));
        let per_connection = |kib: u64| (kib * 1024).checked_div(idle as u64);
        self.memory_per_connection = grown.and_then(per_connection);
        Ok(())
    }

    /// Sends the signal, and measures the exit.
    pub(crate) fn exit(mut self) -> io::Result<Sample> {
        let slow = match self.situation {
            Situation::InFlight { requests, .. } => Some((requests, SLOW)),
            Situation::Busy { held: true, .. } => Some((1, "/slow?ms=1100")),
            Situation::NewClients => Some((1, "/slow?ms=400")),
            _ => None,
        };
        if let Some((count, path)) = slow {
            self.clients = connect_and_use(&self.target, count)?;
            for client in &mut self.clients {
                client.get(path)?;
            }
        }
        match self.situation {
            Situation::Idle { age: Age::Recent, .. } => use_once(&mut self.idle)?,
            _ => thread::sleep(UNDER_WAY),
        }
        let mut from = self.process.terminate()?;
        let mut sample = Sample { memory_per_connection: self.memory_per_connection, ..Sample::default() };
        match self.situation {
            Situation::InFlight { .. } => {
                let good = self.clients.iter_mut().filter_map(|client| client.answer().ok());
                let answered = good.filter(is_good).count();
                from = Instant::now();
                (sample.asked, sample.lost) = (self.clients.len(), self.clients.len() - answered);
            }
            Situation::Second | Situation::SecondStreams | Situation::Blocked => {
                thread::sleep(UNDER_WAY);
                from = self.process.terminate()?;
            }
            Situation::NewClients => self.crowd = Some(Crowd::new_clients(&self.target)),
            _ => {}
        }
        let is_long = matches!(self.situation, Situation::Streams { .. });
        let gone = self.process.gone(if is_long { STREAMS_STUCK_AFTER } else { STUCK_AFTER })?;
        if let Some(crowd) = self.crowd {
            (sample.asked, sample.lost) = crowd.dismiss();
        }
        if let Some(tally) = self.streams.map(Streams::finish) {
            (sample.asked, sample.lost) = (tally.asked(), tally.lost);
            (sample.repeatable, sample.rejected) = (tally.repeatable, tally.rejected);
            if self.situation != Situation::SecondStreams {
                from = tally.last_byte.unwrap_or(from);
            }
        }
        if self.situation.counts() && !self.idle.is_empty() && self.clients.is_empty() {
            sample.asked = self.idle.len();
            sample.lost =
                self.idle.iter_mut().filter_map(|client| (!client.is_closed_cleanly()).then_some(())).count();
        }
        // The last answers may be read after the process's end.
        sample.took = gone.map(|gone| gone.saturating_duration_since(from));
        Ok(sample)
    }
}

/// Sends one request on each connection, from several threads.
fn use_once(clients: &mut [Client]) -> io::Result<()> {
    let share = clients.len().div_ceil(16).max(1);
    thread::scope(|scope| {
        let use_share = |clients: &mut [Client]| {
            for client in &mut *clients {
                client.get("/")?;
            }
            clients.iter_mut().try_for_each(|client| client.answer().map(drop))
        };
        let threads: Vec<_> =
            clients.chunks_mut(share).map(|clients| scope.spawn(move || use_share(clients))).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked")))
        })
    })
}

/// Closes each connection as soon as the server has closed it, as a connection pool does.
fn close_in_return(clients: Vec<Client>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let mut waiting = tokio::task::JoinSet::new();
            for client in clients {
                let socket = client.socket().try_clone().and_then(|socket| {
                    socket.set_nonblocking(true)?;
                    tokio::net::TcpStream::from_std(socket)
                });
                waiting.spawn(async move {
                    // An idle connection becomes readable when it ends.
                    match socket {
                        Ok(socket) => drop((socket.readable().await, socket, client)),
                        Err(error) => eprintln!("a connection is not watched: {error}"),
                    }
                });
            }
            waiting.join_all().await;
        });
    });
    Ok(())
}
