//! A small service whose requests can be held back, for the drain's tests.

use std::{
    cell::Cell,
    collections::BTreeMap,
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    thread::{self, JoinHandle},
    time::Duration,
};

use actix_web::{
    App, HttpResponse,
    rt::System,
    web::{self, Bytes, Data},
};
use futures_util::stream;
use graceful_exit::{ExitHandle, GracefulExit, Report, Server, Timeouts};
use tokio::sync::watch;

use crate::support::{Client, wait_until};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// More bytes than the kernel buffers for a slow reader.
pub(crate) const BIG: usize = 8 << 20;

/// A running service with two workers, which catches no signals.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) exit: ExitHandle,
    hold: watch::Sender<bool>,
    /// The number of requests that are held back.
    held: Cell<u64>,
    run: JoinHandle<Report>,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::start_with(|server| server, |exit| exit)
    }

    /// Starts with other timeouts.
    pub(crate) fn with_timeouts(timeouts: Timeouts) -> Self {
        Self::start_with(|server| server, move |exit| exit.timeouts(timeouts))
    }

    pub(crate) fn with_grace(keep_alive_grace: Duration) -> Self {
        Self::start_with(|server| server, move |exit| exit.keep_alive_grace(keep_alive_grace))
    }

    pub(crate) fn start_with(
        server: impl FnOnce(Server) -> Server + Send + 'static,
        exit: impl FnOnce(GracefulExit) -> GracefulExit + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (hold, on_hold) = watch::channel(true);
        let (send_handle, handle) = std::sync::mpsc::channel();
        let run = thread::spawn(move || {
            System::new().block_on(async move {
                let routes = move |config: &mut web::ServiceConfig| routes(config, on_hold.clone());
                let web = Server::new("web", move || App::new().configure(routes.clone()));
                let web = web.listen(listener).workers(2);
                let builder = GracefulExit::builder().signals(Vec::new()).ends_process(false);
                let builder = exit(builder.server(server(web)));
                send_handle.send(builder.handle()).expect("the test waits for it");
                builder.run().await.expect("it starts")
            })
        });
        let exit = handle.recv().expect("it starts");
        let service = Self { address, exit, hold, held: Cell::new(0), run };
        wait_until("it serves", || service.exit.is_ready());
        service
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// A kept-alive connection with one answered request.
    pub(crate) fn kept_alive(&self) -> Client {
        let mut client = self.connect();
        client.send("GET", "/", &[]).expect("sent");
        let response = client.read().expect("answered");
        assert_eq!((response.status, response.header("connection")), (200, None));
        self.settle();
        client
    }

    /// Waits until only the held requests are in flight: a client may have its answer before the server counts it.
    pub(crate) fn settle(&self) {
        wait_until("all else is answered", || self.count_in_flight() == self.held.get());
    }

    /// Sends a request that is held back, and waits until it is in flight.
    pub(crate) fn in_flight(&self, path: &str) -> Client {
        let mut client = self.connect();
        self.hold(&mut client, path);
        client
    }

    /// The same on an existing connection.
    pub(crate) fn hold(&self, client: &mut Client, path: &str) {
        self.settle();
        client.send("GET", path, &[]).expect("sent");
        self.held.set(self.held.get() + 1);
        wait_until("it is in flight", || self.count_in_flight() == self.held.get());
    }

    /// A connection to each of the two workers.
    pub(crate) fn one_on_each_worker(&self) -> [Client; 2] {
        let mut found = BTreeMap::new();
        wait_until("both workers have taken a connection", || {
            let many: Vec<_> = (0..16).map(|_| self.connect()).collect();
            for mut client in many {
                client.send("GET", "/worker", &[]).expect("sent");
                found.insert(client.read().expect("answered").text(), client);
            }
            found.len() == 2
        });
        let mut clients = found.into_values();
        [(); 2].map(|()| clients.next().expect("two"))
    }

    pub(crate) fn count_in_flight(&self) -> u64 {
        self.exit.status().map_or(0, |status| status.servers[0].in_flight)
    }

    /// Releases the held requests.
    pub(crate) fn release(&self) {
        self.hold.send_replace(false);
    }

    /// Starts the exit, and waits until requests are rejected. Returns the number of its probes that were still
    /// answered; the last one was rejected.
    pub(crate) fn drain(&self) -> u64 {
        self.exit.stop("test");
        self.reach("drain");
        let mut answered = 0;
        wait_until("requests are rejected", || {
            let rejected = Client::get(self.address, "/").status == 503;
            answered += u64::from(!rejected);
            rejected
        });
        answered
    }

    /// Waits until a phase has begun.
    pub(crate) fn reach(&self, phase: &str) {
        wait_until(phase, || self.phase() == phase);
    }

    pub(crate) fn phase(&self) -> &'static str {
        self.exit.status().expect("it runs").phase
    }

    pub(crate) fn stop(self) -> Report {
        self.exit.stop("test");
        self.report()
    }

    pub(crate) fn report(self) -> Report {
        wait_until("the exit is over", || self.run.is_finished());
        self.run.join().expect("no panic")
    }
}

/// The duration of a phase.
pub(crate) fn duration_of(report: &Report, phase: graceful_exit::sequence::PhaseKind) -> Duration {
    let mut phases = report.phases.iter().filter(|run| run.kind == phase);
    phases.next().expect("it was in that phase").duration
}

fn routes(config: &mut web::ServiceConfig, held: watch::Receiver<bool>) {
    config
        .app_data(Data::new(held))
        .route("/", web::get().to(|| async { "hello\n" }))
        .route("/held", web::get().to(held_back))
        .route("/held", web::post().to(held_back))
        .route("/length", web::post().to(|body: web::Bytes| async move { body.len().to_string() }))
        .route("/held-stream", web::get().to(held_stream))
        .route("/held-panic", web::get().to(held_panic))
        .route("/big", web::get().to(|| async { vec![b'x'; BIG] }))
        .route("/pieces/{count}", web::get().to(pieces))
        .route("/empty", web::get().to(HttpResponse::NoContent))
        .route("/healthz", web::get().to(|| async { "well\n" }))
        .route("/healthz/held", web::get().to(held_back))
        .route("/worker", web::get().to(|| async { format!("{:?}", thread::current().id()) }))
        .route("/block-worker", web::get().to(block_worker))
        .route("/end-worker", web::get().to(end_worker));
}

async fn released(held: Data<watch::Receiver<bool>>) {
    let mut held = held.get_ref().clone();
    // A failed test drops the sender, which releases the requests as well.
    let _ = held.wait_for(|held| !held).await;
}

async fn held_back(held: Data<watch::Receiver<bool>>) -> Vec<u8> {
    released(held).await;
    vec![b'y'; 100_000]
}

async fn held_stream(held: Data<watch::Receiver<bool>>) -> HttpResponse {
    let lines = stream::unfold(0, move |line| {
        let held = held.clone();
        async move {
            if line == 1 {
                released(held).await;
            }
            (line < 4).then(|| (Ok::<_, Infallible>(Bytes::from(format!("{line}\n"))), line + 1))
        }
    });
    HttpResponse::Ok().streaming(lines)
}

/// A body of `count` chunks of 1 KiB: the last leave the body while earlier ones wait for the client.
async fn pieces(count: web::Path<usize>) -> HttpResponse {
    let pieces = (0..count.into_inner()).map(|_| Ok::<_, Infallible>(Bytes::from_static(&[b'z'; 1 << 10])));
    HttpResponse::Ok().streaming(stream::iter(pieces))
}

async fn held_panic(held: Data<watch::Receiver<bool>>) -> &'static str {
    released(held).await;
    panic!("a handler's bug")
}

/// Blocks the thread that serves the request, once it is released.
async fn block_worker(held: Data<watch::Receiver<bool>>) -> &'static str {
    actix_web::rt::spawn(async {
        released(held).await;
        thread::sleep(400 * MS);
    });
    "soon\n"
}

/// Ends the thread that serves the request.
async fn end_worker() -> &'static str {
    actix::Arbiter::current().stop();
    "gone\n"
}
