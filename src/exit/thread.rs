//! The exit's own thread: the supervisor and the servers' acceptors live on it, and the end is carried out on it.

use std::{future::Future, io, thread};

use actix::prelude::*;
use tokio::{runtime::Builder, sync::oneshot};

/// A thread with a `System` of its own: a `System::stop()` of the program does not end the supervisor.
/// Dropping this ends the thread, with all that runs on it.
pub(super) struct ExitThread {
    system: System,
    /// Never sent: the thread ends when it is dropped.
    end: oneshot::Sender<()>,
}

impl ExitThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread or no descriptor left.
    pub(super) async fn start() -> io::Result<Self> {
        let (started, start) = oneshot::channel();
        thread::Builder::new().name("graceful-exit".to_owned()).spawn(move || {
            // Built here: the caller's asynchronous context may not drop it, should the thread not start.
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let runner = System::with_tokio_rt(move || runtime);
            let (end, ended) = oneshot::channel();
            if started.send(Ok(Self { system: System::current(), end })).is_ok() {
                let _ = runner.block_on(ended); // an error is how it ends
            }
        })?;
        start.await.map_err(|_| io::Error::other("the exit's thread ended while it was started"))?
    }

    /// Its `System`, for arbiters in a program that has none.
    pub(super) fn system(&self) -> &System {
        &self.system
    }

    /// Runs `work` on the thread, which ends with it.
    pub(super) fn end_with<F, Fut>(self, work: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let Self { system, end } = self;
        system.arbiter().spawn_fn(move || {
            actix::spawn(async move {
                work().await;
                drop(end);
            });
        });
    }
}
