//! A server's life: pure.

/// Where a server is in its life. Each state begins later than those before it, and none comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifecycle {
    /// Requests are answered, and connections kept.
    Serving,
    /// The exit was asked for: requests are answered, and each answer says `Connection: close`.
    LameDuck,
    /// New requests are rejected; those in flight are waited for.
    Draining,
    /// New connections are refused. Those that were in use stay open for the keep-alive grace.
    Closing,
    /// No connection is left that the exit waits for. Threads, listening sockets and idle connections still are.
    Closed,
    /// It listens no more, its workers have been told to end, and its idle connections to close.
    Stopped,
    /// A worker was lost before the server was to close. What is left of it takes no request, and closes beside the rest
    /// of the exit.
    Failed,
}

/// What changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    EnterLameDuck,
    Reject,
    Close,
    NothingAwaited,
    Stop,
    WorkerLost,
}

impl Lifecycle {
    pub(super) fn after(self, change: Change) -> Self {
        let next = match change {
            Change::EnterLameDuck => Self::LameDuck,
            Change::Reject => Self::Draining,
            Change::Close => Self::Closing,
            Change::NothingAwaited => Self::Closed,
            Change::Stop => return Self::Stopped,
            Change::WorkerLost if self < Self::Closing => return Self::Failed,
            Change::WorkerLost => return self,
        };
        self.max(next)
    }
}

#[cfg(test)]
mod tests {
    use super::{Change::*, Lifecycle::*};

    #[test]
    fn it_only_goes_forward_and_a_worker_is_lost_only_before_the_server_closes() {
        let all = [Serving, LameDuck, Draining, Closing, Closed, Stopped, Failed];
        for state in all {
            for change in [EnterLameDuck, Reject, Close, NothingAwaited, WorkerLost] {
                assert!(state.after(change) >= state, "{state:?}, {change:?}");
            }
            assert_eq!(state.after(Stop), Stopped);
            let lost = matches!(state, Serving | LameDuck | Draining | Failed);
            assert_eq!(state.after(WorkerLost) == Failed, lost, "{state:?}");
        }
        let life = [EnterLameDuck, Reject, Close, NothingAwaited, Stop];
        let states = life.iter().scan(Serving, |state, &change| {
            *state = state.after(change);
            Some(*state)
        });
        assert_eq!(states.collect::<Vec<_>>(), all[1..6]);
    }
}
