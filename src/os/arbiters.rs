//! The arbiters of one exit: started without a panic, and none outlives the exit.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
};

use actix_rt::{Arbiter, ArbiterHandle, System};
use tokio::{
    runtime::Builder,
    sync::{oneshot, watch},
};

use crate::sync::lock;

/// The threads that an exit has started for its servers and jobs, each with an event loop of its own.
#[derive(Debug)]
pub(crate) struct Arbiters {
    started: Mutex<Vec<ArbiterHandle>>,
    alive: Arc<watch::Sender<usize>>,
}

impl Default for Arbiters {
    fn default() -> Self {
        Self { started: Mutex::default(), alive: Arc::new(watch::Sender::new(0)) }
    }
}

/// Counts an arbiter as alive until its event loop has ended.
struct Alive(Arc<watch::Sender<usize>>);

impl Alive {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|alive| *alive += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|alive| *alive -= 1);
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
        let alive = Alive::new(&self.alive);
        arbiter.spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        lock(&self.started).push(arbiter.clone());
        Ok(arbiter)
    }

    /// Starts an arbiter if there is none: the end of one is how a `System::stop()` of the program is noticed.
    pub(crate) fn start_one(&self) -> io::Result<()> {
        let has_none = lock(&self.started).is_empty();
        if has_none {
            self.start(|_| ())?;
        }
        Ok(())
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
        let _ = self.alive.subscribe().wait_for(|&alive| alive == 0).await; // the sender is here
    }

    /// Resolves each time an arbiter has started, or its event loop has ended.
    pub(crate) fn changes(&self) -> watch::Receiver<usize> {
        self.alive.subscribe()
    }
}

/// Whether the program has stopped its `System`: that ends the event loop of each of its arbiters. Resolves when the
/// `System`'s own thread is not busy.
pub(crate) async fn is_stopped(system: &System) -> bool {
    // What an event loop is told is worked off in order, and a stop is told to each in one go. So the second question
    // comes behind a stop that has ended another arbiter, or that was asked for before the first.
    for _ in 0..2 {
        let (answer, answered) = oneshot::channel();
        let is_asked = system.arbiter().spawn_fn(move || {
            let _ = answer.send(()); // an asker that has left needs no answer
        });
        if !is_asked || answered.await.is_err() {
            return true;
        }
    }
    false
}
