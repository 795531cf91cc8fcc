//! The thread that writes the spool, and that flushes run on.
//!
//! It is started before the service is ready and owns the spool. A checkpoint, a flush and a write
//! that is acknowledged by the spool ask it, so none of them needs a thread that a system at its
//! limits would refuse. Its runtime also polls the flush itself: workers may be blocked meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::{io, thread};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::error::OpenError;
use super::memory::{Memory, SharedMemory};
use crate::business::spool::{Spool, SpoolError};
use crate::business::store::Store;

/// A request to the spooler. The receiver of its answer may be gone, because a client has gone.
#[derive(Debug)]
enum Request {
    /// Spool what is dirty.
    Save(oneshot::Sender<Result<(), NotSaved>>),
    /// Remove the spool if the store has all that it holds.
    Clear(oneshot::Sender<Result<(), SpoolError>>),
    /// Remove the spool's temporary file, since nothing will be spooled any more.
    Release(oneshot::Sender<()>),
}

/// Why what is dirty is not in the spool.
#[derive(Debug, Clone)]
pub(super) struct NotSaved {
    pub(super) error: Arc<SpoolError>,
    /// An earlier spool is on the disk.
    pub(super) has_older_spool: bool,
}

/// A handle to the spooler's thread, which ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub(super) struct Spooler {
    requests: mpsc::UnboundedSender<Request>,
    /// The runtime of its thread, for as long as it runs.
    pub(super) runtime: Handle,
}

/// What the start has opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) spooler: Spooler,
    pub(super) memory: Arc<SharedMemory>,
    pub(super) store: Store,
    /// How many writes of an earlier run were imported.
    pub(super) recovered: usize,
}

impl Spooler {
    /// Starts the thread, which opens the spool and the store and imports what is spooled.
    ///
    /// # Errors
    ///
    /// No thread or descriptor is left, the spool is held or damaged, or the store cannot be opened or
    /// written. What the spool holds is left there.
    pub(super) async fn start(store: &str, spool: &Path) -> Result<Opened, OpenError> {
        let (opened, opening) = oneshot::channel();
        let (store, spool) = (store.to_owned(), spool.to_owned());
        thread::Builder::new()
            .name("cache-spooler".to_owned())
            .spawn(move || run(&store, &spool, opened))
            .map_err(OpenError::Thread)?;
        let ended = |_| OpenError::Thread(io::Error::other("it has ended"));
        opening.await.map_err(ended)?
    }

    /// Spools what is dirty.
    pub(super) async fn save(&self) -> Result<(), NotSaved> {
        self.ask(Request::Save).await
    }

    /// Removes the spool if the store has all that it holds.
    pub(super) async fn clear(&self) -> Result<(), SpoolError> {
        self.ask(Request::Clear).await
    }

    /// Has the spool's temporary file removed, since nothing will be spooled any more, and does not wait for it.
    pub(super) fn begin_release(&self) {
        let (reply, _) = oneshot::channel();
        // A spooler that has ended has removed it.
        let _ = self.requests.send(Request::Release(reply));
    }

    /// Removes the spool's temporary file, since nothing will be spooled any more.
    pub(super) async fn release(&self) {
        self.ask(Request::Release).await;
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> T {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(request(reply)).is_ok()
            && let Ok(answer) = answer.await
        {
            return answer;
        }
        // It has panicked. A flush then ends by its timeout, and no write is acknowledged.
        std::future::pending().await
    }
}

fn run(store: &str, spool: &Path, opened: oneshot::Sender<Result<Opened, OpenError>>) {
    let runtime = match runtime(store) {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = opened.send(Err(OpenError::Thread(error)));
            return;
        }
    };
    match runtime.block_on(open(store, spool)) {
        Ok((mut owner, answer, requests)) => {
            // A start that was given up drops it, and the channel with it.
            let _ = opened.send(Ok(answer));
            runtime.block_on(owner.serve(requests));
        }
        Err(error) => {
            let _ = opened.send(Err(error));
        }
    }
}

/// A store in a file needs no descriptor for the runtime.
fn runtime(store: &str) -> io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    builder.enable_time();
    if !Store::is_file(store) {
        builder.enable_io();
    }
    builder.build()
}

async fn open(
    store: &str,
    spool_path: &Path,
) -> Result<(Owner, Opened, mpsc::UnboundedReceiver<Request>), OpenError> {
    let (mut spool, left) = Spool::open(spool_path).map_err(OpenError::Spool)?;
    let store = Store::open(store).await.map_err(OpenError::Store)?;
    let recovered = left.len();
    store.turn().await.write_all(&left).await.map_err(|source| OpenError::NotRecovered {
        writes: recovered,
        spool: spool_path.to_owned(),
        source,
    })?;
    spool.clear().and_then(|()| spool.prepare()).map_err(OpenError::Spool)?;
    let memory = Arc::new(SharedMemory::default());
    let (sender, requests) = mpsc::unbounded_channel();
    let spooler = Spooler { requests: sender, runtime: Handle::current() };
    let owner = Owner { spool, memory: Arc::clone(&memory) };
    Ok((owner, Opened { spooler, memory, store, recovered }, requests))
}

/// The spool's only owner, on its own thread.
#[derive(Debug)]
struct Owner {
    spool: Spool,
    memory: Arc<SharedMemory>,
}

impl Owner {
    async fn serve(&mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut next = requests.recv().await;
        while let Some(request) = next {
            next = match request {
                Request::Save(reply) => {
                    // A write is in memory before its sender asks: one sync is for all that ask by now.
                    let mut replies = vec![reply];
                    let other = loop {
                        match requests.try_recv() {
                            Ok(Request::Save(reply)) => replies.push(reply),
                            other => break other.ok(),
                        }
                    };
                    let saved = self.save();
                    for reply in replies {
                        let _ = reply.send(saved.clone());
                    }
                    other
                }
                Request::Clear(reply) => {
                    let _ = reply.send(self.clear());
                    None
                }
                Request::Release(reply) => {
                    self.spool.remove_temporary();
                    self.memory.change(|memory| memory.is_released = true);
                    let _ = reply.send(());
                    None
                }
            };
            if next.is_none() {
                next = requests.recv().await;
            }
        }
    }

    fn save(&mut self) -> Result<(), NotSaved> {
        let Some(taken) = self.memory.change(Memory::take) else { return Ok(()) };
        let (entries, bytes) = self.memory.lock().size();
        let has_older_spool = self.spool.is_occupied();
        let is_lost = self.spool.is_lost();
        let saved = if is_lost || self.spool.is_outdated(entries, bytes) {
            let all = self.memory.lock().all_for_spool();
            match self.spool.replace(&all) {
                // There may be no descriptor for another file: the one that is open will do.
                Err(_) if !is_lost => self.spool.append(taken.writes()),
                replaced => replaced,
            }
        } else {
            self.spool.append(taken.writes())
        };
        drop(taken);
        let has_spool = self.spool.is_occupied();
        self.memory.change(|memory| {
            memory.has_spool = has_spool;
            if saved.is_ok() { memory.spooled() } else { memory.untake() }
        });
        saved.map_err(|error| NotSaved { error: Arc::new(error), has_older_spool })
    }

    fn clear(&mut self) -> Result<(), SpoolError> {
        if !self.memory.lock().is_spool_outdated() {
            return Ok(());
        }
        let cleared = self.spool.clear();
        let has_spool = self.spool.is_occupied();
        self.memory.change(|memory| memory.has_spool = has_spool);
        cleared
    }
}
