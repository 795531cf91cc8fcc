//! The arbiters of one exit: started without a panic, and none outlives the exit.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    thread,
};

use actix_rt::{Arbiter, ArbiterHandle, System};
use tokio::{runtime::Builder, sync::watch};

use crate::sync::lock;

/// The threads that an exit has started for its servers and jobs, each with an event loop of its own.
#[derive(Debug)]
pub(crate) struct Arbiters {
    started: Mutex<Vec<ArbiterHandle>>,
    /// Each arbiter holds a receiver until its event loop has ended.
    alive: watch::Sender<()>,
}

impl Default for Arbiters {
    fn default() -> Self {
        Self { started: Mutex::default(), alive: watch::Sender::new(()) }
    }
}

impl Arbiters {
    /// Starts an arbiter of the calling thread's `System`, with the runtime that `build` describes.
    ///
    /// # Errors
    /// When the system has no thread or no descriptor left, or the calling thread has no `System`. Never a panic,
    /// which is what `Arbiter::new` has instead.
    pub(crate) fn start(&self, build: impl FnOnce(&mut Builder)) -> io::Result<ArbiterHandle> {
        if System::try_current().is_none() {
            return Err(io::Error::other("the calling thread belongs to no actix System"));
        }
        // `Arbiter::with_tokio_rt` panics if no thread can be started, so that is tried before.
        // (`Arbiter::try_with_tokio_rt` would tell, but needs actix-rt 2.13.)
        let _ = thread::Builder::new().spawn(|| ())?.join();
        // After that: an asynchronous context may not drop a runtime, not even on an error's way.
        let mut builder = Builder::new_current_thread();
        build(builder.enable_all());
        let runtime = builder.build()?;
        let arbiter = catch_unwind(AssertUnwindSafe(|| Arbiter::with_tokio_rt(move || runtime)))
            .map_err(|_| io::Error::other("no thread can be started"))?
            .handle();
        let alive = self.alive.subscribe();
        arbiter.spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        lock(&self.started).push(arbiter.clone());
        Ok(arbiter)
    }

    /// Asks every arbiter to end its event loop; what still runs on it is dropped. None is joined: a thread that is
    /// blocked would block the caller.
    pub(crate) fn stop(&self) {
        for arbiter in lock(&self.started).drain(..) {
            arbiter.stop();
        }
    }

    /// Resolves when the event loop of every arbiter has ended.
    pub(crate) async fn ended(&self) {
        self.alive.closed().await;
    }
}
