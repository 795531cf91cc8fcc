//! [`Signals`]: what is caught, in order, and where it goes.

use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

#[cfg(unix)]
use super::unix as platform;
#[cfg(windows)]
use super::windows as platform;
use super::{
    error::InstallError,
    name::SignalName,
    received::{ReceivedSignal, epoch},
};
use crate::sync::lock;

/// The signals that this process has caught, in the order in which they came.
///
/// Handlers stay until [`Signals::uninstall`]: dropping this changes nothing.
#[derive(Clone)]
pub struct Signals {
    dispatcher: Arc<Dispatcher>,
}

impl Signals {
    /// Catches `names` from now on, and unblocks them in the calling thread, with everything that
    /// [`block`](super::block) holds. Handlers that were installed earlier for the same signals still run, after
    /// those of this module.
    ///
    /// `on_signal` is called for each on a thread named `signals`, one after another, before the signal goes anywhere
    /// else: it is the place to arm the hard stop. Up to it nothing is allocated. It should return soon. A panic in it
    /// costs nothing but that call.
    ///
    /// To be called in `main` before any other thread starts, because a thread keeps the signals blocked that its parent had blocked.
    /// HUP, INT and QUIT stay ignored where they were inherited as ignored (`nohup`, a shell's `&`); the others are always caught.
    /// Names of another platform are passed over.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; nothing is caught then, and what is blocked stays blocked.
    pub fn install(
        names: &[SignalName],
        on_signal: impl FnMut(ReceivedSignal) + Send + 'static,
    ) -> Result<Self, InstallError> {
        epoch();
        let dispatcher = Arc::new(Dispatcher::new(names, on_signal));
        let inner = Arc::clone(&dispatcher);
        platform::start(names, move |caught| inner.receive(caught))?;
        Ok(Self { dispatcher })
    }

    /// Catches exactly `names` from now on, in place of those that were given before, and calls `on_signal` in place
    /// of the function that was given before: for everything caught so far, on the calling thread, and then for each
    /// signal as it comes.
    ///
    /// A signal that was caught so far and is not among `names` takes its default effect: now, or as soon as it is read.
    ///
    /// # Errors
    ///
    /// [`InstallError`], when the system refuses a handler.
    pub fn replace(
        &self,
        names: &[SignalName],
        mut on_signal: impl FnMut(ReceivedSignal) + Send + 'static,
    ) -> Result<(), InstallError> {
        let mut inner = self.dispatcher.inner();
        platform::change(names)?;
        inner.names = names.to_vec();
        if let Sink::Keeping(kept) = &mut inner.sink {
            let (wanted, unwanted) =
                mem::take(kept).into_iter().partition(|caught: &ReceivedSignal| names.contains(&caught.name));
            *kept = wanted;
            for caught in unwanted {
                platform::raise(caught.name);
            }
            kept.iter().copied().for_each(&mut on_signal);
        }
        inner.on_signal = Box::new(on_signal);
        Ok(())
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
        let mut inner = self.dispatcher.inner();
        if let Sink::Keeping(kept) = &mut inner.sink {
            for caught in kept.drain(..) {
                sink(caught);
            }
        }
        inner.sink = Sink::Delivering(Box::new(sink));
    }

    /// Ends the thread, and restores the handlers that were in force before. Where a handler was installed later for
    /// the same signal, it stays, and what it calls of this module does nothing.
    pub fn uninstall(&self) {
        platform::stop();
        // Its sink may hold what holds this.
        self.dispatcher.inner().sink = Sink::Keeping(Vec::new());
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").field("first", &self.first()).finish_non_exhaustive()
    }
}

struct Dispatcher {
    first: OnceLock<ReceivedSignal>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// What is caught. One that was caught before it was left out may be read after that.
    names: Vec<SignalName>,
    on_signal: Box<dyn FnMut(ReceivedSignal) + Send>,
    sink: Sink,
}

/// Where a caught signal goes.
enum Sink {
    /// Nothing carries out the exit yet: each is kept.
    Keeping(Vec<ReceivedSignal>),
    Delivering(Box<dyn FnMut(ReceivedSignal) + Send>),
}

impl Dispatcher {
    fn new(names: &[SignalName], on_signal: impl FnMut(ReceivedSignal) + Send + 'static) -> Self {
        let sink = Sink::Keeping(Vec::new());
        let inner = Inner { names: names.to_vec(), on_signal: Box::new(on_signal), sink };
        Self { first: OnceLock::new(), inner: Mutex::new(inner) }
    }

    fn receive(&self, caught: ReceivedSignal) {
        let mut inner = self.inner();
        if !inner.names.contains(&caught.name) {
            drop(inner);
            return platform::raise(caught.name);
        }
        let _ = self.first.set(caught); // only the first one stays
        // A panic must not take the thread along: the signal that forces the exit comes through it too.
        let _ = catch_unwind(AssertUnwindSafe(|| (inner.on_signal)(caught)));
        match &mut inner.sink {
            Sink::Keeping(kept) => kept.push(caught),
            Sink::Delivering(sink) => {
                let _ = catch_unwind(AssertUnwindSafe(|| sink(caught)));
            }
        }
    }

    /// A function that panicked has left nothing half done here.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        os::unix::process::ExitStatusExt,
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        thread,
        time::Instant,
    };

    use super::{super::received::Sender, *};
    use crate::os::process::{Process, TestResult, part, say, wait_for_order};

    const CHILD: &str = "os::signals::dispatcher::tests::child";

    #[test]
    fn child() -> TestResult {
        let Some(part) = part() else { return Ok(()) };
        let signals = Signals::install(&[SignalName::Hup, SignalName::Term], |_| ())?;
        if part == "chained" {
            install_on_top(libc::SIGHUP);
        }
        signals.replace(&[SignalName::Term], |_| say(CALLS.load(SeqCst)))?;
        if part == "chained" {
            // What our handler writes is read in this order. One that was sent again would be sent without end.
            for signal in [libc::SIGHUP, libc::SIGTERM, libc::SIGTERM] {
                // SAFETY: it only sends.
                unsafe { libc::raise(signal) };
                wait_for_order();
            }
        } else {
            let (name, at) = (SignalName::Hup, Instant::now());
            signals.dispatcher.receive(ReceivedSignal { name, at, sender: Sender::Unknown });
            say("alive");
        }
        loop {
            thread::park();
        }
    }

    /// How often [`on_top`] was called, and what it calls.
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static BELOW: AtomicUsize = AtomicUsize::new(0);

    /// Installs a handler as a program may do it that keeps what was there.
    fn install_on_top(signal: libc::c_int) {
        // SAFETY: plain C data, for which all zeroes is valid; both are ours.
        unsafe {
            let (mut ours, mut before) = (std::mem::zeroed::<libc::sigaction>(), std::mem::zeroed());
            ours.sa_sigaction = on_top as *const () as libc::sighandler_t;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            assert_eq!(libc::sigaction(signal, &raw const ours, &raw mut before), 0);
            BELOW.store(before.sa_sigaction, SeqCst);
        }
    }

    extern "C" fn on_top(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        CALLS.fetch_add(1, SeqCst);
        // SAFETY: it was installed with SA_SIGINFO.
        let below: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(BELOW.load(SeqCst)) };
        below(signal, info, context);
    }

    #[test]
    fn a_handler_on_top_of_ours_hears_a_signal_once_that_is_not_caught_any_more() -> TestResult {
        let mut process = Process::start(CHILD, "chained", |_| {})?;
        for _ in 0..2 {
            process.order()?;
            assert_eq!(process.line()?, "1");
        }
        Ok(())
    }

    #[test]
    fn what_was_caught_and_is_read_after_it_was_left_out_takes_its_default_effect() -> TestResult {
        let mut process = Process::start(CHILD, "late", |_| {})?;
        assert_eq!(process.wait()?.signal(), Some(libc::SIGHUP));
        Ok(())
    }
}
