//! Which worker gets a connection, whatever the threads of the machine do: the clock stands still.

use std::{future::poll_fn, task::Poll};

use socket2::{Domain, Type};

use super::*;

/// Workers without threads, and what each of them would look into.
struct Rig {
    drain: Drain,
    workers: Workers,
    inboxes: Vec<Arc<Inbox<HandOver>>>,
}

impl Rig {
    fn new(workers: usize, max_connections: Option<usize>) -> Self {
        let drain = Drain::new(workers);
        let mut all = Workers::new(drain.clone(), max_connections);
        let inboxes = (0..workers).map(|_| all.add()).collect();
        Self { drain, workers: all, inboxes }
    }

    /// So many clients connect at once.
    fn burst(&mut self, connections: usize) {
        for _ in 0..connections {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            self.workers.hand_over(socket, None, 0);
        }
    }

    fn open(&self) -> Vec<usize> {
        (0..self.inboxes.len()).map(|worker| self.drain.connections.open_on(worker)).collect()
    }

    /// A worker looks, and picks up all that is there.
    async fn pick_up(&self, worker: usize) -> Vec<HandOver> {
        let mut picked_up = Vec::new();
        poll_fn(|cx| {
            while let Poll::Ready(Some(hand_over)) = self.inboxes[worker].poll_next(cx) {
                picked_up.push(hand_over);
            }
            Poll::Ready(())
        })
        .await;
        picked_up
    }

    /// Time passes, and the acceptor's task runs as often as it is woken.
    async fn pass(&mut self, time: Duration) {
        let over = sleep(time);
        tokio::pin!(over);
        poll_fn(|cx| {
            self.workers.poll_recheck(cx);
            over.as_mut().poll(cx)
        })
        .await;
    }
}

fn spread(open: &[usize]) -> usize {
    open.iter().max().expect("a worker") - open.iter().min().expect("a worker")
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_shared_equally_and_so_is_one_after_any_half_of_it_has_closed() {
    for workers in [2, 4, 8] {
        let mut rig = Rig::new(workers, None);
        rig.burst(200);
        assert!(spread(&rig.open()) <= 1, "{:?}", rig.open());
        let mut open = Vec::new();
        for worker in 0..workers {
            open.extend(rig.pick_up(worker).await);
        }
        // All of the first workers' connections close.
        drop(open.drain(..100));
        rig.burst(100);
        assert!(spread(&rig.open()) <= 1, "{:?}", rig.open());
        assert_eq!(rig.open().iter().sum::<usize>(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_blocked_worker_has_not_picked_up_is_given_to_another_one() {
    let mut rig = Rig::new(2, None);
    rig.burst(2);
    let first = rig.pick_up(1).await;
    rig.pass(BLOCKED_AFTER / 2).await;
    assert_eq!(rig.open(), [1, 1]);
    rig.pass(BLOCKED_AFTER).await;
    assert_eq!(rig.open(), [0, 2], "it was taken back");
    let second = rig.pick_up(1).await;
    assert_eq!((first.len(), second.len()), (1, 1));
    rig.burst(3);
    assert_eq!(rig.open(), [0, 5], "it gets none while another is free");
    drop(rig.pick_up(0).await);
    rig.pass(2 * RECHECK_INTERVAL).await;
    rig.burst(1);
    assert_eq!(rig.open(), [1, 5], "it has looked again");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_begins_or_ends_requests_is_not_taken_for_a_blocked_one() {
    let mut rig = Rig::new(2, None);
    rig.burst(2);
    drop(rig.pick_up(1).await);
    for _ in 0..4 {
        rig.pass(BLOCKED_AFTER / 2).await;
        rig.drain.gate.admit(0).expect("it is open");
        assert_eq!(rig.open(), [1, 0]);
    }
    rig.pass(2 * BLOCKED_AFTER).await;
    assert_eq!(rig.open(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_has_ended_gets_none_and_what_it_had_is_taken_back() {
    let mut rig = Rig::new(2, None);
    rig.burst(2);
    assert!(!rig.inboxes[0].abandon(), "its end was not asked for");
    rig.pass(2 * RECHECK_INTERVAL).await;
    assert_eq!(rig.open(), [0, 2]);
    rig.burst(1);
    assert_eq!(rig.open(), [0, 3]);
    rig.workers.end();
    assert!(rig.inboxes[1].abandon(), "the end of the other one was");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_a_worker_does_not_take_is_counted_on_the_one_that_does() {
    let mut rig = Rig::new(2, None);
    rig.inboxes[0].abandon();
    rig.burst(2);
    assert_eq!(rig.open(), [0, 2]);
}

#[tokio::test(start_paused = true)]
async fn they_are_full_when_each_has_its_limit_and_one_more_belongs_to_the_fewest() {
    let mut rig = Rig::new(2, Some(2));
    rig.burst(3);
    assert!(!rig.workers.are_full());
    rig.burst(1);
    assert!(rig.workers.are_full());
    rig.burst(1);
    assert_eq!(rig.open().iter().sum::<usize>(), 5);
    let open = rig.pick_up(0).await;
    drop(open);
    assert!(!rig.workers.are_full());
}

#[tokio::test(start_paused = true)]
async fn workers_with_as_many_connections_get_the_next_one_in_turn_and_none_is_looked_at_while_nothing_waits()
{
    let mut rig = Rig::new(3, None);
    let mut turns = Vec::new();
    for _ in 0..6 {
        rig.burst(1);
        turns.extend(rig.open().iter().position(|&open| open == 1));
        for worker in 0..3 {
            drop(rig.pick_up(worker).await);
        }
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    rig.pass(2 * RECHECK_INTERVAL).await;
    assert!(rig.workers.recheck.is_none());
}
