//! The way of a connection from the acceptor to a worker: [`Inbox`].

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use crate::sync::{Mutex, lock};

/// Connections that a worker is to serve. The acceptor may take back what the worker has not picked up.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<T>,
    waker: Option<Waker>,
    /// The worker was woken, and has not looked since.
    unanswered: bool,
    /// How many times the worker has looked.
    looks: u64,
    end: End,
}

/// Which side has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    None,
    /// The acceptor: the worker is to serve what it has got, and no more.
    Closed,
    /// The worker: nothing is picked up any more.
    WorkerGone,
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Self {
        let state =
            State { queue: VecDeque::new(), waker: None, unanswered: false, looks: 0, end: End::None };
        Self { state: Mutex::new(state) }
    }

    /// Hands something over, and wakes the worker.
    ///
    /// # Errors
    /// Gives it back when the worker is gone.
    pub(super) fn push(&self, item: T) -> Result<(), T> {
        let mut state = lock(&self.state);
        if state.end != End::None {
            return Err(item);
        }
        state.queue.push_back(item);
        state.unanswered = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// How many times the worker has looked, if it was woken and has not looked since: it is busy, or its thread is
    /// blocked. `None` if it has looked.
    pub(super) fn looks_if_unanswered(&self) -> Option<u64> {
        let state = lock(&self.state);
        state.unanswered.then_some(state.looks)
    }

    /// Takes back the last thing that the worker has not picked up.
    pub(super) fn take_back(&self) -> Option<T> {
        lock(&self.state).queue.pop_back()
    }

    /// Hands nothing over any more: the worker ends when it has picked up the rest.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        if state.end == End::None {
            state.end = End::Closed;
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The worker picks up the next thing; `None` when there will be none.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.state);
        state.unanswered = false;
        state.looks += 1;
        match state.queue.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None if state.end != End::None => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The worker is gone. What it has not picked up can be taken back. Returns true if it was to go.
    pub(super) fn abandon(&self) -> bool {
        let mut state = lock(&self.state);
        std::mem::replace(&mut state.end, End::WorkerGone) == End::Closed
    }

    pub(super) fn is_abandoned(&self) -> bool {
        lock(&self.state).end == End::WorkerGone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next<T>(inbox: &Inbox<T>) -> Poll<Option<T>> {
        inbox.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_is_taken_back_is_not_picked_up_and_the_worker_counts_as_busy_until_it_looks() {
        let inbox = Inbox::new();
        assert_eq!(inbox.looks_if_unanswered(), None);
        inbox.push(1).expect("it is open");
        inbox.push(2).expect("it is open");
        assert_eq!(inbox.take_back(), Some(2));
        assert_eq!(inbox.looks_if_unanswered(), Some(0));
        assert_eq!(next(&inbox), Poll::Ready(Some(1)));
        assert_eq!(inbox.looks_if_unanswered(), None);
        inbox.push(3).expect("it is open");
        assert_eq!(inbox.looks_if_unanswered(), Some(1), "it has looked between the two");
        assert_eq!(next(&inbox), Poll::Ready(Some(3)));
        assert_eq!((next(&inbox), inbox.take_back()), (Poll::Pending, None));
    }

    #[test]
    fn a_closed_inbox_is_picked_up_to_its_end_and_takes_nothing_more() {
        let inbox = Inbox::new();
        inbox.push(1).expect("it is open");
        inbox.close();
        assert_eq!(inbox.push(2), Err(2));
        assert_eq!((next(&inbox), next(&inbox)), (Poll::Ready(Some(1)), Poll::Ready(None)));
        assert!(inbox.abandon());
    }

    #[test]
    fn what_a_lost_worker_has_not_picked_up_can_be_taken_back() {
        let inbox = Inbox::new();
        inbox.push(1).expect("it is open");
        assert!(!inbox.abandon());
        assert_eq!((inbox.push(2), inbox.take_back()), (Err(2), Some(1)));
    }
}
