//! `shutdown.ready_delay`: a balancer that looks once a second has turned away before anything is rejected.

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

/// How often the balancer looks at `/readyz`.
const CHECKS_EACH: Duration = Duration::from_secs(1);
/// The balancer's pool of connections.
const POOL: usize = 24;

#[test]
fn with_a_ready_delay_a_balancer_turns_away_before_the_first_reject() {
    // The longest time between two looks, and a margin for a machine that is busy with other tests.
    let (balancer, ended) = balanced_exit("shutdown.ready_delay=2500ms");
    let report = ended.report();
    assert_eq!(balancer.failed(), 0, "no request failed, {} were answered", balancer.answered());
    assert!(balancer.answered() > 100, "the proof is not hollow: {}", balancer.answered());
    assert_eq!(rejected(&report), 0, "{report}");
    assert_eq!((ended.code(), report["outcome"].as_str()), (Some(0), Some("clean")), "{report}");
    assert_eq!(report["phases"][0]["name"], "ready_delay");
}

#[test]
fn without_one_the_same_balancer_runs_into_rejects() {
    let (balancer, ended) = balanced_exit("shutdown.ready_delay=0s");
    let report = ended.report();
    assert!(balancer.failed() > 0, "{report}");
}

#[test]
fn a_lame_duck_says_close_on_each_answer_and_serves_on() {
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
    assert_eq!(Client::get(app.business, "/").status, 200, "newcomers are served as well");
    assert_eq!(app.wait().code(), Some(0));
}

/// An exit beneath a balancer that sends requests until it has seen that the instance is not ready.
fn balanced_exit(ready_delay: &str) -> (Balancer, crate::support::Ended) {
    let app = App::start(&[ready_delay]);
    let mut balancer = Balancer::start(app.admin, app.business);
    wait_until("requests flow", || balancer.answered() > 2 * POOL as u64);
    // The worst moment: the next look is a whole second away.
    balancer.just_after_a_look();
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
    turned_away: AtomicBool,
    stop: AtomicBool,
    looks: AtomicU64,
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

    fn just_after_a_look(&self) {
        let looks = self.shared.looks.load(Ordering::Acquire);
        wait_until("the balancer looks", || self.shared.looks.load(Ordering::Acquire) > looks);
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
        shared.turned_away.store(!ready.is_ok_and(|answer| answer.status == 200), Ordering::Relaxed);
        shared.looks.fetch_add(1, Ordering::Release);
        let looked = Instant::now();
        while looked.elapsed() < CHECKS_EACH {
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn send(shared: &Shared, business: SocketAddr) {
    let mut pooled = None;
    while !shared.stop.load(Ordering::Relaxed) && !shared.turned_away.load(Ordering::Relaxed) {
        let Ok(mut client) = pooled.take().map_or_else(|| Client::try_connect(business), Ok) else {
            shared.failed.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        match client.send("GET", "/slow?ms=5", &[]).and_then(|()| client.read()) {
            Ok(answer) if answer.status == 200 => {
                shared.answered.fetch_add(1, Ordering::Relaxed);
                // A proxy heeds what each answer says of its connection.
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
