//! `HttpServer`'s methods under their own names, and how connections are shared among workers.

use std::{
    collections::BTreeMap,
    net::{Shutdown, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use actix_web::{
    App, HttpRequest, HttpResponse,
    rt::{System, net::TcpStream},
    web,
};
use graceful_exit::{ExitHandle, GracefulExit, Outcome, Report, Server};

use super::service::{MS, Service};
use crate::support::{Client, UNREACHED, wait_until};

/// What a handler can tell of its connection and its server.
struct Peer {
    nodelay: bool,
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/worker", web::get().to(|| async { format!("{:?}", thread::current().id()) }))
        .route(
            "/block",
            web::get().to(|gate: web::Data<Mutex<()>>| async move {
                drop(gate.lock().expect("no panic"));
                "blocked"
            }),
        )
        .route(
            "/host",
            web::get().to(|request: HttpRequest| async move { request.app_config().host().to_owned() }),
        )
        .route(
            "/nodelay",
            web::get().to(|request: HttpRequest| async move {
                request.conn_data::<Peer>().map_or_else(String::new, |peer| peer.nodelay.to_string())
            }),
        )
        .route("/blocking/{jobs}/{threads}", web::get().to(blocking))
        .route("/pieces", web::get().to(pieces));
}

/// Begins jobs that block, and waits until as many as there are threads have begun. Says how many have after that.
async fn blocking(gate: web::Data<Mutex<()>>, numbers: web::Path<(usize, usize)>) -> String {
    let begun = Arc::new(AtomicUsize::new(0));
    let (jobs, threads) = numbers.into_inner();
    let job = |_| {
        let (begun, gate) = (Arc::clone(&begun), gate.clone());
        web::block(move || {
            begun.fetch_add(1, Ordering::SeqCst);
            drop(gate.lock().expect("no panic"));
        })
    };
    let jobs: Vec<_> = (0..jobs).map(job).collect();
    while begun.load(Ordering::SeqCst) < threads {
        actix_web::rt::time::sleep(MS).await;
    }
    // One more would begin meanwhile.
    actix_web::rt::time::sleep(50 * MS).await;
    drop(jobs);
    begun.load(Ordering::SeqCst).to_string()
}

/// An answer whose ninth piece blocks the worker: what the eight before it are worth is written by then, or buffered.
async fn pieces(gate: web::Data<Mutex<()>>) -> HttpResponse {
    let pieces = (0..9).map(move |piece| {
        if piece == 8 {
            drop(gate.lock().expect("no panic"));
        }
        Ok::<_, std::convert::Infallible>(web::Bytes::from_static(&[b'x'; 1024]))
    });
    HttpResponse::Ok().streaming(futures_util::stream::iter(pieces))
}

/// A server as a test wants it, on a free port.
pub(super) struct Running {
    exit: ExitHandle,
    /// What the routes that block wait for: as long as the test has it locked.
    pub(super) gate: Arc<Mutex<()>>,
    run: JoinHandle<Report>,
}

impl Running {
    pub(super) fn start(server: impl FnOnce(Server) -> Server + Send + 'static) -> Self {
        let (sender, handle) = mpsc::channel();
        let gate = Arc::new(Mutex::new(()));
        let data = web::Data::from(Arc::clone(&gate));
        let run = thread::spawn(move || {
            System::new().block_on(async move {
                let server =
                    server(Server::new("web", move || App::new().app_data(data.clone()).configure(routes)));
                let builder = GracefulExit::builder().signals(Vec::new()).ends_process(false).server(server);
                sender.send(builder.handle()).expect("the test waits for it");
                builder.run().await.expect("it starts")
            })
        });
        let exit = handle.recv().expect("it starts");
        let running = Self { exit, gate, run };
        wait_until("it serves", || running.exit.is_ready());
        running
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.exit.addrs("web").first().and_then(graceful_exit::Address::tcp).expect("it listens on TCP")
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.exit.addrs("web").iter().filter_map(graceful_exit::Address::tcp).collect()
    }

    pub(super) fn stop(self) {
        self.exit.stop("test");
        assert_eq!(self.run.join().expect("no panic").outcome, Outcome::Clean);
    }
}

pub(super) fn worker_of(client: &mut Client) -> String {
    client.send("GET", "/worker", &[]).expect("it is open");
    client.read().expect("it is answered").text()
}

/// How many connections the worker with the most has more than the one with the least.
fn spread(clients: &mut [Client], workers: usize) -> usize {
    let mut counts = BTreeMap::new();
    for client in clients {
        *counts.entry(worker_of(client)).or_insert(0_usize) += 1;
    }
    assert_eq!(counts.len(), workers, "{counts:?}");
    counts.values().max().expect("one") - counts.values().min().expect("one")
}

/// Each client is answered before the next one connects.
fn connect_in_turn(address: SocketAddr, count: usize) -> Vec<Client> {
    let connect = |_| {
        let mut client = Client::connect(address);
        worker_of(&mut client);
        client
    };
    (0..count).map(connect).collect()
}

/// Equally but for one that its worker has not picked up within 25 ms, since it waits for a processor: that is given to
/// another one. Without such, the numbers differ by one at the most, of a burst too: `src/server/workers/tests.rs`, where
/// the clock stands still.
#[test]
fn connections_are_shared_equally_and_so_are_new_ones_after_half_of_them_have_closed() {
    for workers in [2, 4, 8] {
        let running = Running::start(move |server| server.workers(workers).bind("127.0.0.1:0"));
        let address = running.address();
        let quarter_of_a_share = 200 / workers / 4;
        let mut clients = connect_in_turn(address, 200);
        assert!(spread(&mut clients, workers) <= quarter_of_a_share);
        for mut client in clients.drain(100..) {
            client.socket().shutdown(Shutdown::Write).expect("it is open");
            assert!(client.is_closed());
        }
        // A worker that answers twice has been through all its tasks between, and counted out what it has closed.
        spread(&mut clients, workers);
        spread(&mut clients, workers);
        clients.extend(connect_in_turn(address, 100));
        assert!(spread(&mut clients, workers) <= quarter_of_a_share);
        drop(clients);
        running.stop();
    }
}

#[test]
fn a_blocked_worker_gets_no_connection_while_another_is_free() {
    let running = Running::start(|server| server.workers(2).bind("127.0.0.1:0"));
    let mut blocked = Client::connect(running.address());
    let worker = worker_of(&mut blocked);
    let gate = running.gate.lock().expect("no panic");
    blocked.send("GET", "/block", &[]).expect("it is open");
    let blocks = || {
        let status = running.exit.status().expect("it serves");
        status.servers[0].oldest.iter().any(|request| request.path == "/block")
    };
    wait_until("the worker is blocked", blocks);
    for _ in 0..50 {
        let mut client = Client::connect(running.address());
        assert_ne!(worker_of(&mut client), worker);
    }
    drop(gate);
    assert_eq!(blocked.read().expect("it is answered").text(), "blocked");
    drop(blocked);
    running.stop();
}

#[test]
fn more_connections_than_max_connections_wait_until_one_closes() {
    let running = Running::start(|server| server.workers(1).max_connections(2).bind("127.0.0.1:0"));
    let mut clients: Vec<_> = (0..2).map(|_| Client::connect(running.address())).collect();
    for client in &mut clients {
        worker_of(client);
    }
    let mut third = Client::connect(running.address());
    third.send("GET", "/worker", &[]).expect("it is in the queue");
    third.socket().set_read_timeout(Some(200 * MS)).expect("it is open");
    assert!(third.read_head().is_err(), "it was served beside two others");
    third.socket().set_read_timeout(None).expect("it is open");
    clients.pop();
    assert_eq!(third.read().expect("it is answered").status, 200);
    drop((clients, third));
    running.stop();
}

#[test]
fn options_of_connections_reach_them() {
    let running = Running::start(|server| {
        server
            .workers(1)
            .worker_max_blocking_threads(3)
            .tcp_nodelay(true)
            .server_hostname("example.org")
            .on_connect(|io, data| {
                let nodelay = io.downcast_ref::<TcpStream>().and_then(|socket| socket.nodelay().ok());
                data.insert(Peer { nodelay: nodelay.unwrap_or_default() });
            })
            .bind("127.0.0.1:0")
    });
    let address = running.address();
    assert_eq!(Client::get(address, "/host").text(), "example.org");
    assert_eq!(Client::get(address, "/nodelay").text(), "true");
    let gate = running.gate.lock().expect("no panic");
    assert_eq!(Client::get(address, "/blocking/10/3").text(), "3");
    drop(gate);
    running.stop();
}

#[test]
fn a_connection_is_kept_for_as_long_as_keep_alive_says() {
    let server = |time| Service::start_with(move |server| server.keep_alive(time), |exit| exit);
    let (long, short) = (server(UNREACHED), server(200 * MS));
    let (mut stays, mut goes) = (long.kept_alive(), short.kept_alive());
    assert!(goes.is_closed());
    stays.send("GET", "/", &[]).expect("it is open");
    assert_eq!(stays.read().expect("it is answered").status, 200);
    drop(stays);
    assert_eq!(short.stop().outcome, Outcome::Clean);
    assert_eq!(long.stop().outcome, Outcome::Clean);
}

#[test]
fn one_address_of_a_name_that_can_be_bound_is_enough_and_none_is_an_error_of_run() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let used = holder.local_addr().expect("an address");
    let free: SocketAddr = ([127, 0, 0, 1], 0).into();
    let server = Server::new("web", App::new).bind(&[used, free][..]);
    assert_eq!(server.addrs().len(), 1);
    assert_ne!(server.addrs()[0].port(), 0);

    let server = Server::new("web", App::new).bind(used);
    assert_eq!(server.addrs(), []);
    let builder = GracefulExit::builder().signals(Vec::new()).ends_process(false).server(server);
    let error = System::new().block_on(builder.run()).expect_err("the port is taken");
    assert!(error.to_string().contains(&used.to_string()), "{error}");
}

#[cfg(unix)]
#[test]
fn unix_sockets_are_served_with_their_mode_and_go_away_at_the_exit() {
    use std::{
        io::{Read, Write},
        os::unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    };

    let folder = tempfile::tempdir().expect("a folder");
    let (bound, given) = (folder.path().join("bound.sock"), folder.path().join("given.sock"));
    let (path, listener) = (bound.clone(), UnixListener::bind(&given).expect("it is bound"));
    let running = Running::start(move |server| server.bind_uds(path).uds_mode(0o600).listen_uds(listener));
    let addresses: Vec<_> = running.exit.addrs("web").iter().map(ToString::to_string).collect();
    assert_eq!(addresses, [&bound, &given].map(|path| format!("unix:{}", path.display())));
    let mode = std::fs::metadata(&bound).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for path in [&bound, &given] {
        let mut client = UnixStream::connect(path).expect("it listens");
        client.write_all(b"GET /host HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it is open");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("it is answered");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("localhost"), "{answer}");
    }
    running.stop();
    assert!(!bound.exists() && given.exists(), "it removes its own alone");
}
