use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use super::SignalName;
use super::platform;

/// The signals that this process has caught, in the order in which they came.
///
/// Handlers stay for the life of the process: dropping this changes nothing.
#[derive(Clone)]
pub struct Signals {
    dispatcher: Arc<Dispatcher>,
}

/// A signal, and when it reached the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedSignal {
    /// Which one.
    pub name: SignalName,
    /// When the handler ran, not when somebody came to read of it.
    pub at: Instant,
}

impl Signals {
    /// Catches `names` from now on, and unblocks them in the calling thread, with everything that [`block`](super::block) holds.
    ///
    /// `on_signal` is called for each on a thread named `signals`, one after another, before anybody else hears of it: it is
    /// the place to arm the exit guard. It should return soon. A panic in it costs nothing but that call.
    ///
    /// To be called in `main` before any other thread starts, because a thread keeps the signals blocked that its parent had blocked.
    /// HUP, INT and QUIT stay ignored where they were inherited as ignored (`nohup`, a shell's `&`); the others are always caught.
    /// Names of another platform are passed over.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; nothing is caught then, and what is held stays held.
    pub fn install(
        names: &[SignalName],
        mut on_signal: impl FnMut(ReceivedSignal) + Send + 'static,
    ) -> Result<Self, InstallError> {
        let dispatcher = Arc::new(Dispatcher::default());
        let inner = Arc::clone(&dispatcher);
        platform::start(names, move |caught| {
            let _ = inner.first.set(caught); // only the first one stays
            // A panic must not take the thread along: the signal that forces the exit comes through it too.
            let _ = catch_unwind(AssertUnwindSafe(|| on_signal(caught)));
            let _ = catch_unwind(AssertUnwindSafe(|| inner.hand_over(caught)));
        })?;
        Ok(Self { dispatcher })
    }

    /// The first signal caught so far: what the start looks at between its steps.
    pub fn first(&self) -> Option<ReceivedSignal> {
        self.dispatcher.first.get().copied()
    }

    /// Hands everything caught so far to `sink`, in order, and from then on each signal as it comes.
    ///
    /// What is kept is handed over on the calling thread, the rest on the thread `signals`. A further call replaces the sink.
    /// `sink` must not call `deliver_to` itself: it would wait for its own end.
    pub fn deliver_to(&self, mut sink: impl FnMut(ReceivedSignal) + Send + 'static) {
        let mut current = self.dispatcher.sink();
        if let Sink::Keeping(kept) = &mut *current {
            for caught in kept.drain(..) {
                sink(caught);
            }
        }
        *current = Sink::Delivering(Box::new(sink));
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").field("first", &self.first()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Dispatcher {
    first: OnceLock<ReceivedSignal>,
    sink: Mutex<Sink>,
}

/// Where a caught signal goes.
enum Sink {
    /// Nobody carries out the exit yet: each is kept.
    Keeping(Vec<ReceivedSignal>),
    Delivering(Box<dyn FnMut(ReceivedSignal) + Send>),
}

impl Default for Sink {
    fn default() -> Self {
        Self::Keeping(Vec::new())
    }
}

impl Dispatcher {
    fn hand_over(&self, caught: ReceivedSignal) {
        match &mut *self.sink() {
            Sink::Keeping(kept) => kept.push(caught),
            Sink::Delivering(sink) => sink(caught),
        }
    }

    /// A sink that panicked has left nothing half done here.
    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why signals cannot be caught.
#[derive(Debug)]
pub enum InstallError {
    /// A process has one set of handlers, and this one installed it before.
    AlreadyInstalled,
    /// The pipe between handler and thread cannot be made.
    Pipe(io::Error),
    /// The thread `signals` cannot be started.
    Thread(io::Error),
    /// The system refuses a handler.
    Handler {
        /// The signal, or `console control events`.
        of: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled => {
                f.write_str("signals are caught already; a process can install its handlers only once")
            }
            Self::Pipe(_) => f.write_str("the pipe for signals cannot be made"),
            Self::Thread(_) => f.write_str("the thread for signals cannot be started"),
            Self::Handler { of, .. } => write!(f, "no handler can be installed for {of}"),
        }
    }
}

impl Error for InstallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::AlreadyInstalled => None,
            Self::Pipe(source) | Self::Thread(source) | Self::Handler { source, .. } => Some(source),
        }
    }
}
