//! A server with its clients at the moment of the signal, and the measurement of one exit.

use std::{
    io,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use crate::{busy, client::Client, process::Process, rows::Row};

/// A running server with its clients in place.
pub(crate) struct Scene {
    process: Process,
    clients: Vec<Client>,
    idle: Vec<Client>,
    crowd: Option<busy::Crowd>,
    memory_per_connection: Option<u64>,
}

/// The measurement of one exit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// From the row's first instant to the process's end; `None` if it was killed.
    pub(crate) took: Option<Duration>,
    /// The number of requests that were written.
    pub(crate) asked: usize,
    /// The number of those that were not answered in full.
    pub(crate) lost: usize,
    /// In bytes.
    pub(crate) memory_per_connection: Option<u64>,
}

/// Idle for longer than the second within which a server counts a connection as recently used.
pub(crate) const AGE: Duration = Duration::from_millis(1100);
/// The timeout of an exit from the last signal on: a server that takes longer counts as never ending.
const STUCK_AFTER: Duration = Duration::from_secs(3);
/// The time until a written request is in its handler.
const UNDER_WAY: Duration = Duration::from_millis(100);
/// The duration of a slow request.
const SLOW: &str = "/slow?ms=600";
const HALF_A_HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: local";

impl Scene {
    /// Connects the row's clients.
    pub(crate) fn set(row: Row, process: Process) -> io::Result<Self> {
        let address = process.address;
        let connect = |count| connect(address, count);
        let (mut clients, mut idle, mut crowd, mut memory_per_connection) =
            (Vec::new(), Vec::new(), None, None);
        match row {
            Row::Idle | Row::Slow | Row::InFlight | Row::NewClients | Row::Callbacks => {}
            Row::Unused | Row::Used => idle = connect_and_use(address, 100)?,
            Row::Pooled => close_in_return(connect_and_use(address, 100)?)?,
            Row::HalfHead => {
                idle = connect(1)?;
                idle[0].write(HALF_A_HEAD)?;
            }
            Row::Mute => idle = connect(1)?,
            Row::Crowd => {
                let before = process.memory_kib();
                idle = connect_and_use(address, 10_000)?;
                let grown =
                    before.zip(process.memory_kib()).map(|(before, after)| after.saturating_sub(before));
                memory_per_connection = grown.map(|kib| kib * 1024 / 10_000);
            }
            Row::Second => {
                clients = connect(1)?;
                clients[0].get("/slow?ms=60000")?;
            }
            Row::Blocked => {
                for _ in 0..64 {
                    let mut client = Client::connect(address)?;
                    client.get("/chaos/block?ms=60000")?;
                    clients.push(client);
                    // One after another, so that each gets a worker that is not blocked.
                    thread::sleep(Duration::from_millis(2));
                }
            }
            Row::Busy | Row::Held => crowd = Some(busy::Crowd::back_to_back(address, Duration::ZERO)),
            Row::Wire => crowd = Some(busy::Crowd::back_to_back(address, Duration::from_millis(1))),
        }
        Ok(Self { process, clients, idle, crowd, memory_per_connection })
    }

    /// `connections` connections that have been used once: the plot's scene.
    pub(crate) fn idle(connections: usize, process: Process) -> io::Result<Self> {
        let mut scene = Self::set(Row::Idle, process)?;
        scene.idle = connect_and_use(scene.process.address, connections)?;
        Ok(scene)
    }

    pub(crate) fn exit_idle(self) -> io::Result<Sample> {
        self.exit(Row::Idle)
    }

    /// Sends the signal, and measures the exit.
    pub(crate) fn exit(mut self, row: Row) -> io::Result<Sample> {
        let address = self.process.address;
        let slow = match row {
            Row::Slow => Some((1, SLOW)),
            Row::InFlight | Row::Crowd => Some((1000, SLOW)),
            Row::Held => Some((1, "/slow?ms=1100")),
            Row::NewClients => Some((1, "/slow?ms=400")),
            _ => None,
        };
        if let Some((count, path)) = slow {
            self.clients = connect_and_use(address, count)?;
            for client in &mut self.clients {
                client.get(path)?;
            }
        }
        if row == Row::Used {
            use_once(&mut self.idle)?;
        } else {
            thread::sleep(UNDER_WAY);
        }
        let mut from = self.process.terminate()?;
        let mut sample = Sample { memory_per_connection: self.memory_per_connection, ..Sample::default() };
        match row {
            Row::Slow | Row::InFlight | Row::Crowd => {
                let good = self.clients.iter_mut().filter_map(|client| client.answer().ok());
                let answered = good.filter(|answer| answer.is_good()).count();
                from = Instant::now();
                (sample.asked, sample.lost) = (self.clients.len(), self.clients.len() - answered);
            }
            Row::Second | Row::Blocked => {
                thread::sleep(UNDER_WAY);
                from = self.process.terminate()?;
            }
            Row::NewClients => self.crowd = Some(busy::Crowd::new_clients(address)),
            _ => {}
        }
        let gone = self.process.gone(STUCK_AFTER)?;
        if let Some(crowd) = self.crowd {
            (sample.asked, sample.lost) = crowd.dismiss();
        }
        // The last answers may be read after the process's end.
        sample.took = gone.map(|gone| gone.saturating_duration_since(from));
        Ok(sample)
    }
}

fn connect(address: SocketAddr, count: usize) -> io::Result<Vec<Client>> {
    (0..count).map(|_| Client::connect(address)).collect()
}

/// Opens `count` connections on several threads, each with one answered request. The answer shows that the server has
/// accepted the connection: the accept queue is short on many machines, and a client that finds it full retries only
/// after a second.
fn connect_and_use(address: SocketAddr, count: usize) -> io::Result<Vec<Client>> {
    const THREADS: usize = 16;
    let share = move |thread: usize| count / THREADS + usize::from(thread < count % THREADS);
    let open = move || {
        let mut client = Client::connect(address)?;
        client.get("/")?;
        client.answer().map(|_| client)
    };
    let open = move |count| (0..count).map(|_| open()).collect::<io::Result<Vec<_>>>();
    let threads: Vec<_> = (0..THREADS).map(|thread| thread::spawn(move || open(share(thread)))).collect();
    let mut clients = Vec::new();
    for thread in threads {
        clients.extend(thread.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked")))?);
    }
    Ok(clients)
}

/// Sends one request on each connection.
fn use_once(clients: &mut [Client]) -> io::Result<()> {
    for client in &mut *clients {
        client.get("/")?;
    }
    for client in clients {
        client.answer()?;
    }
    Ok(())
}

/// Closes each connection as soon as the server has closed it, as a connection pool does.
fn close_in_return(clients: Vec<Client>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let streams: Vec<_> = clients.into_iter().map(Client::into_stream).collect();
    thread::spawn(move || {
        runtime.block_on(async {
            let mut waiting = tokio::task::JoinSet::new();
            for stream in streams {
                let stream =
                    stream.set_nonblocking(true).and_then(|()| tokio::net::TcpStream::from_std(stream));
                waiting.spawn(async move {
                    // An idle connection becomes readable when it ends.
                    match stream {
                        Ok(stream) => drop(stream.readable().await),
                        Err(error) => eprintln!("a connection is not watched: {error}"),
                    }
                });
            }
            waiting.join_all().await;
        });
    });
    Ok(())
}
