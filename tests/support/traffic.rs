//! Continuous traffic: clients on kept-alive connections, and clients with a new connection for each request.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{client::Client, network_namespace::NetworkNamespace, wait::wait_until};

/// Traffic that runs until it is stopped.
#[derive(Debug)]
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the clients have seen so far.
#[derive(Debug, Default)]
pub(super) struct Shared {
    stop: AtomicBool,
    pub(super) kept_alive: AtomicU64,
    pub(super) new_connections: AtomicU64,
    /// The keys whose `PUT` was answered 204.
    pub(super) stored: Mutex<Vec<String>>,
    failures: Mutex<Vec<String>>,
    /// How many requests of each HTTP/1 client have ended.
    rounds: Vec<AtomicU64>,
    /// When the last answer came, and the longest time without one.
    gap: Mutex<Option<(Instant, Duration)>>,
}

/// The clients' observations.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Requests answered on kept-alive connections.
    pub kept_alive: u64,
    /// Requests answered on a new connection each.
    pub new_connections: u64,
    /// The keys whose `PUT` was answered 204.
    pub stored: Vec<String>,
    /// Every request without the expected answer.
    pub failures: Vec<String>,
    /// The longest time in which no client had an answer.
    pub longest_gap: Duration,
}

/// A client's pause between two requests.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

impl Traffic {
    /// Starts `clients` clients with kept-alive connections, and two that connect anew for each request.
    pub(crate) fn start(to: SocketAddr, clients: usize) -> Self {
        Self::start_with(to, clients, || ())
    }

    /// The same with clients inside a network namespace.
    pub(crate) fn start_in(network: &NetworkNamespace, to: SocketAddr, clients: usize) -> Self {
        let network = network.clone();
        Self::start_with(to, clients, move || network.enter())
    }

    /// Runs clients inside a network namespace, on one thread.
    pub(super) fn run_in(
        network: &NetworkNamespace,
        run: impl FnOnce(&Arc<Shared>) + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let (theirs, network) = (Arc::clone(&shared), network.clone());
        let thread = thread::spawn(move || {
            network.enter();
            run(&theirs);
        });
        Self { shared, threads: vec![thread] }
    }

    fn start_with(to: SocketAddr, clients: usize, prepare: impl Fn() + Clone + Send + 'static) -> Self {
        let rounds = (0..clients + 2).map(|_| AtomicU64::new(0)).collect();
        let shared = Arc::new(Shared { rounds, ..Shared::default() });
        let keeping = (0..clients).map(|client| {
            let (shared, prepare) = (Arc::clone(&shared), prepare.clone());
            thread::spawn(move || {
                prepare();
                send_on_kept_connection(&shared, to, client);
            })
        });
        let coming = (clients..clients + 2).map(|client| {
            let (shared, prepare) = (Arc::clone(&shared), prepare.clone());
            thread::spawn(move || {
                prepare();
                send_on_new_connections(&shared, to, client);
            })
        });
        let threads = keeping.chain(coming).collect();
        Self { shared, threads }
    }

    pub(crate) fn answered(&self) -> u64 {
        self.shared.kept_alive.load(Ordering::Relaxed) + self.shared.new_connections.load(Ordering::Relaxed)
    }

    /// Waits until no request is left that had begun before: each HTTP/1 client has begun and ended another one since.
    pub(crate) fn wait_for_a_round(&self) {
        let rounds = || self.shared.rounds.iter().map(|ended| ended.load(Ordering::Relaxed));
        let before: Vec<_> = rounds().collect();
        wait_until("each client has had another answer", || {
            rounds().zip(&before).all(|(ended, before)| ended >= before + 2)
        });
    }

    /// How many requests have ended, answered as expected or not.
    pub(crate) fn ended(&self) -> u64 {
        self.answered() + self.shared.failures.lock().expect("no panic").len() as u64
    }

    pub(crate) fn stop(self) -> Seen {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a client does not panic");
        }
        let take = |list: &Mutex<Vec<String>>| std::mem::take(&mut *list.lock().expect("no panic"));
        Seen {
            kept_alive: self.shared.kept_alive.load(Ordering::Relaxed),
            new_connections: self.shared.new_connections.load(Ordering::Relaxed),
            stored: take(&self.shared.stored),
            failures: take(&self.shared.failures),
            longest_gap: self
                .shared
                .gap
                .lock()
                .expect("no panic")
                .map_or(Duration::ZERO, |(_, longest)| longest),
        }
    }
}

impl Shared {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self, count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
        let (now, mut gap) = (Instant::now(), self.gap.lock().expect("no panic"));
        let longest = gap.map_or(Duration::ZERO, |(last, longest)| longest.max(now.duration_since(last)));
        *gap = Some((now, longest));
    }

    pub(super) fn failed(&self, what: String) {
        self.failures.lock().expect("no panic").push(what);
    }
}

fn send_on_kept_connection(shared: &Shared, to: SocketAddr, client: usize) {
    let mut connection = None;
    for round in 0_u64.. {
        if shared.stopped() {
            return;
        }
        let key = (round % 8 == 7).then(|| format!("client-{client}-{round}"));
        match ask(&mut connection, to, round, key.as_deref()) {
            Ok(()) => {
                shared.answered(&shared.kept_alive);
                if let Some(key) = key {
                    shared.stored.lock().expect("no panic").push(key);
                }
            }
            Err(error) => {
                shared.failed(format!("client {client}, round {round}: {error}"));
                connection = None;
            }
        }
        shared.rounds[client].fetch_add(1, Ordering::Relaxed);
        thread::sleep(PAUSE);
    }
}

fn ask(connection: &mut Option<Client>, to: SocketAddr, round: u64, key: Option<&str>) -> io::Result<()> {
    let client = match connection {
        Some(client) => client,
        None => connection.insert(Client::try_connect(to)?),
    };
    let expected = if let Some(key) = key {
        client.send_body("PUT", &format!("/cache/{key}"), &[], key.as_bytes())?;
        204
    } else {
        client.send("GET", if round.is_multiple_of(2) { "/" } else { "/slow?ms=10" }, &[])?;
        200
    };
    let response = client.read()?;
    if response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        *connection = None;
    }
    if response.status == expected {
        Ok(())
    } else {
        Err(io::Error::other(format!("status {}: {}", response.status, response.text())))
    }
}

fn send_on_new_connections(shared: &Shared, to: SocketAddr, client: usize) {
    while !shared.stopped() {
        let answer = Client::try_connect(to).and_then(|mut client| {
            client.send("GET", "/", &[("Connection", "close")])?;
            client.read()
        });
        match answer {
            Ok(answer) if answer.status == 200 => {
                shared.answered(&shared.new_connections);
            }
            Ok(answer) => {
                shared.failed(format!("a new connection: status {}: {}", answer.status, answer.text()));
            }
            Err(error) => shared.failed(format!("a new connection: {error}")),
        }
        shared.rounds[client].fetch_add(1, Ordering::Relaxed);
        thread::sleep(PAUSE / 2);
    }
}
