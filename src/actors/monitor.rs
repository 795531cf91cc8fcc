//! [`Monitor`]: the state of the exit for any thread, even while other threads hang.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use super::recorder::Recorder;
use crate::{
    report::{PreviousExit, Status},
    sequence::Plan,
    server::Handle,
    sync::lock,
};

/// What the supervisor writes and every thread may read.
#[derive(Debug)]
pub struct Monitor {
    recorder: Mutex<Recorder>,
    changed: watch::Sender<u64>,
}

impl Monitor {
    pub(crate) fn new(plan: Arc<Plan>, servers: &[Handle], previous: Option<PreviousExit>) -> Self {
        let recorder = Mutex::new(Recorder::new(plan, servers, previous));
        Self { recorder, changed: watch::Sender::new(0) }
    }

    /// The state of the exit at this instant.
    #[must_use]
    pub fn status(&self) -> Status {
        self.lock().status()
    }

    /// What [`Status::phase`] says, without the cost of the rest.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        self.lock().phase()
    }

    /// True until something asks for the exit.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().state().is_serving()
    }

    /// Changes with each change of the status; counts of requests are not among them.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How many connections are pinned until the exit is over: their streams tell how it ended.
    pub(crate) fn pinned_connections(&self) -> usize {
        self.lock().servers().map(Handle::pinned).sum()
    }

    /// True if every server [is empty](Handle::is_empty).
    pub(crate) fn servers_are_empty(&self) -> bool {
        self.lock().servers().all(Handle::is_empty)
    }

    /// Disposes of every server, however far it has come. Resolves when none of them listens any more.
    pub(crate) async fn dispose_of_servers(&self) {
        let servers: Vec<_> = self.lock().servers().cloned().collect();
        servers.iter().for_each(Handle::dispose);
        for server in servers {
            server.stopped().await;
        }
    }

    /// Changes the record, and tells all that [watch for changes](Monitor::changes).
    pub(super) fn write<R>(&self, change: impl FnOnce(&mut Recorder) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.send_modify(|version| *version += 1);
        result
    }

    pub(super) fn read<R>(&self, look: impl FnOnce(&Recorder) -> R) -> R {
        look(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;
    use crate::{drain::Drain, sequence::Timeouts};

    fn monitor(servers: &[Handle]) -> Monitor {
        let plan = Plan::new(Timeouts::default(), Vec::new()).expect("it may be empty");
        Monitor::new(Arc::new(plan), servers, None)
    }

    #[test]
    fn each_change_has_a_number_of_its_own() {
        let monitor = monitor(&[]);
        let mut seen = vec![*monitor.changes().borrow()];
        for _ in 0..3 {
            monitor.write(|_| ());
            seen.push(*monitor.changes().borrow());
        }
        assert_eq!(seen, [0, 1, 2, 3]);
    }

    #[test]
    fn servers_that_are_disposed_of_are_waited_for_until_they_listen_no_more() {
        let server = Handle::new("web".into(), Drain::new(1));
        let monitor = monitor(&[server]);
        let disposed_of = pin!(monitor.dispose_of_servers());
        assert!(disposed_of.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}
