//! `shutdown.ready_delay`: a balancer that checks readiness once a second sends nothing more before requests are rejected.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::support::{App, Client, wait_until};

/// The time between the balancer's checks of `/readyz`.
const CHECKS_EACH: Duration = Duration::from_secs(1);
/// The balancer's pool of connections.
const POOL: usize = 24;

#[test]
fn with_a_ready_delay_a_balancer_stops_sending_before_requests_are_rejected() {
    // The longest time between two checks, and a margin for a busy machine.
    let (balancer, ended) = balanced_exit("shutdown.ready_delay=2500ms");
    let report = ended.report();
    assert_eq!(balancer.failed(), 0, "no request failed, {} were answered", balancer.answered());
    assert!(balancer.answered() > 100, "the proof is not hollow: {}", balancer.answered());
    assert_eq!(rejected(&report), 0, "{report}");
    assert_eq!((ended.code(), report["outcome"].as_str()), (Some(0), Some("clean")), "{report}");
    assert_eq!(report["phases"][0]["name"], "ready_delay");
}

#[test]
fn without_one_requests_of_the_same_balancer_are_rejected() {
    let (balancer, ended) = balanced_exit("shutdown.ready_delay=0s");
    let report = ended.report();
    assert!(balancer.failed() > 0, "{report}");
}

#[test]
fn during_the_ready_delay_every_request_is_served_with_connection_close() {
    let app = App::start(&["shutdown.ready_delay=1s"]);
    let mut kept = Client::connect(app.business);
    kept.send("GET", "/", &[]).expect("sent");
    assert_eq!(kept.read().expect("answered").header("connection"), None);
    app.signal(libc::SIGTERM);
    app.wait_for("not ready, but serving for another");
    assert_eq!(Client::get(app.admin, "/readyz").status, 503);
    kept.send("GET", "/", &[]).expect("sent");
    let answer = kept.read().expect("answered");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(kept.is_closed());
    assert_eq!(Client::get(app.business, "/").status, 200, "new connections are served as well");
    assert_eq!(app.wait().code(), Some(0));
}

/// Runs an exit behind a balancer that sends requests until it sees that the instance is not ready.
fn balanced_exit(ready_delay: &str) -> (Balancer, crate::support::Ended) {
    let app = App::start(&[ready_delay]);
    let mut balancer = Balancer::start(app.admin, app.business);
    wait_until("requests flow", || balancer.answered() > 2 * POOL as u64);
    // The worst moment: the next check is a whole second away.
    balancer.just_after_a_check();
    app.signal(libc::SIGTERM);
    let ended = app.wait();
    balancer.stop();
    (balancer, ended)
}

/// Keeps a pool of connections busy for as long as the instance is ready.
struct Balancer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    not_ready: AtomicBool,
    stop: AtomicBool,
    checks: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Balancer {
    fn start(admin: SocketAddr, business: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let checker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || check(&shared, admin))
        };
        let pool = (0..POOL).map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || send(&shared, business))
        });
        let threads = pool.chain([checker]).collect();
        Self { shared, threads }
    }

    fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    fn just_after_a_check(&self) {
        let checks = self.shared.checks.load(Ordering::Acquire);
        wait_until("the balancer checks", || self.shared.checks.load(Ordering::Acquire) > checks);
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("the balancer does not panic");
        }
    }
}

fn check(shared: &Shared, admin: SocketAddr) {
    loop {
        let ready = Client::try_connect(admin).and_then(|mut client| {
            client.send("GET", "/readyz", &[("Connection", "close")])?;
            client.read()
        });
        shared.not_ready.store(!ready.is_ok_and(|answer| answer.status == 200), Ordering::Relaxed);
        shared.checks.fetch_add(1, Ordering::Release);
        let checked = Instant::now();
        while checked.elapsed() < CHECKS_EACH {
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn send(shared: &Shared, business: SocketAddr) {
    let mut pooled = None;
    while !shared.stop.load(Ordering::Relaxed) && !shared.not_ready.load(Ordering::Relaxed) {
        let Ok(mut client) = pooled.take().map_or_else(|| Client::try_connect(business), Ok) else {
            shared.failed.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        match client.send("GET", "/slow?ms=5", &[]).and_then(|()| client.read()) {
            Ok(answer) if answer.status == 200 => {
                shared.answered.fetch_add(1, Ordering::Relaxed);
                // A proxy does not reuse a connection after `Connection: close`.
                pooled = (answer.header("connection") != Some("close")).then_some(client);
            }
            Ok(_) | Err(_) => {
                shared.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn rejected(report: &serde_json::Value) -> u64 {
    let servers = report["servers"].as_array().expect("servers").iter();
    servers.filter_map(|server| server["rejected"].as_u64()).sum()
}
