//! Clients that send without pause, over several exits: no request that was written is lost.

use std::{
    io,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use super::service::Service;
use crate::support::Client;

const CLIENTS: usize = 32;
const EXITS: usize = 10;

/// How a client's requests ended.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    rejected: usize,
    lost: Vec<io::Error>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.rejected += other.rejected;
        self.lost.extend(other.lost);
    }
}

fn run(client: fn(Client, &Barrier) -> Tally) -> Tally {
    let start = Instant::now();
    let mut all = Tally::default();
    for _ in 0..EXITS {
        // Long enough for a client that waits for its processor; the exit ends with the last answer anyway.
        let service = Service::with_grace(Duration::from_millis(300));
        let all_busy = Arc::new(Barrier::new(CLIENTS + 1));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (connection, busy) = (service.connect(), Arc::clone(&all_busy));
                thread::spawn(move || client(connection, &busy))
            })
            .collect();
        all_busy.wait();
        thread::sleep(Duration::from_millis(30));
        let report = service.stop();
        assert_eq!(report.exit_code, 0, "{report:?}");
        for client in clients {
            all.add(client.join().expect("no panic"));
        }
    }
    println!(
        "{} answered, {} rejected, {} lost in {EXITS} exits, {:?}",
        all.answered,
        all.rejected,
        all.lost.len(),
        start.elapsed()
    );
    all
}

/// Sends request after request on one connection until an answer has `Connection: close`.
fn keep_alive(mut client: Client, all_busy: &Barrier) -> Tally {
    let mut tally = Tally::default();
    all_busy.wait();
    loop {
        match client.send("GET", "/", &[]).and_then(|()| client.read()) {
            Ok(response) => {
                match response.status {
                    200 => tally.answered += 1,
                    503 => tally.rejected += 1,
                    status => panic!("an unexpected status: {status}"),
                }
                if response.header("connection") == Some("close") {
                    assert!(client.is_closed(), "an end without a reset");
                    return tally;
                }
            }
            Err(error) => {
                tally.lost.push(error);
                return tally;
            }
        }
    }
}

#[test]
fn no_request_on_a_kept_connection_is_lost() {
    let all = run(keep_alive);
    assert!(all.lost.is_empty(), "{} lost: {:?}", all.lost.len(), all.lost);
    // Under wine fewer requests are sent; the promise about lost ones is the same.
    let floor = if cfg!(windows) { EXITS } else { CLIENTS * EXITS };
    assert!(all.answered > floor, "they were busy");
}
