//! The end of the process: at once, and by the hard stop when nothing else brings it about.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// A thread that ends the process at an instant, whatever the rest of the process does.
///
/// It is started early, while the system has a thread to give, and sleeps until it is armed. From then on it needs nothing that can be missing or
/// held: it allocates nothing, takes no lock, writes no report and runs no destructor. Dropping every handle leaves it
/// as it is; [`HardStop::retire`] ends it.
#[derive(Clone, Debug)]
pub struct HardStop {
    due: Arc<Due>,
    thread: Thread,
}

/// Why the hard stop ends the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The overall deadline has passed.
    Deadline,
    /// A second signal has forced the end.
    Forced,
    /// The exit is over, or none has begun, but the process does not end. Nothing is written for it.
    Finished,
    /// The exit is over, and what the program does after it takes too long.
    AfterRun,
}

/// What the hard stop writes as it ends the process, one ready-made line a cause, line end included; empty is nothing.
///
/// What goes beyond 512 bytes is cut off: the least that a pipe with room takes at once.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    /// For [`Cause::Deadline`].
    pub deadline: Vec<u8>,
    /// For [`Cause::Forced`].
    pub forced: Vec<u8>,
    /// For [`Cause::AfterRun`].
    pub after_run: Vec<u8>,
}

impl HardStop {
    /// Starts the thread, which sleeps until it is armed.
    ///
    /// # Errors
    ///
    /// The system's, when it has no thread left.
    pub fn start(messages: Messages) -> io::Result<Self> {
        epoch();
        let due = Arc::new(Due { earliest: AtomicU64::new(DISARMED) });
        let inner = Arc::clone(&due);
        let thread =
            thread::Builder::new().name("hard-stop".to_owned()).spawn(move || inner.keep(&messages))?;
        Ok(Self { due, thread: thread.thread().clone() })
    }

    /// Ends the process with `code` when `after` has passed, unless it was armed for something earlier.
    ///
    /// The earliest instant wins, with its cause and its code, in whatever order the calls come. It never blocks. The
    /// clock is monotonic; an `after` past the end of time (some 570 years) is the end of time.
    pub fn arm(&self, cause: Cause, after: Duration, code: u8) {
        let before =
            self.due.earliest.fetch_min(Deadline::after(after, cause, code).pack(), Ordering::AcqRel);
        self.wake(before, after);
    }

    /// Puts this in place of what it was armed for, earlier or later; but not in place of [`Cause::Forced`], which
    /// nothing takes back.
    pub fn rearm(&self, cause: Cause, after: Duration, code: u8) {
        let deadline = Deadline::after(after, cause, code).pack();
        let replace = |before| (before != RETIRED && !Deadline::is_forced(before)).then_some(deadline);
        if let Ok(before) = self.due.earliest.fetch_update(Ordering::AcqRel, Ordering::Acquire, replace) {
            self.wake(before, after);
        }
    }

    /// Ends the thread: nothing is left of it, and arming it has no effect from now on.
    pub fn retire(&self) {
        self.due.earliest.store(RETIRED, Ordering::Release);
        self.thread.unpark();
    }

    /// Waking it would delay the exit: once it is armed, it checks in time without being woken.
    fn wake(&self, before: u64, after: Duration) {
        if before == DISARMED || after < LOOK {
            self.thread.unpark();
        }
    }
}

/// Ends the process at once: no destructor, no `atexit` handler and no lock of standard output can delay it.
pub fn exit_immediately(code: u8) -> ! {
    platform::end(code)
}

/// Ends the process as the end of `main` does, as far as the hard stop can still end it when something in that hangs:
/// every hard stop of the process is armed for it, 250 ms from now.
///
/// On Unix handlers of `atexit` run, once standard output is flushed; only the first call gets that far, any other
/// waits for the end. On Windows it is [`exit_immediately`], once standard output is flushed: the system's own
/// orderly end would first end every other thread, the hard stop's among them, and only then run what can hang.
pub fn exit(code: u8) -> ! {
    ENDING.fetch_min(Deadline::after(HARD_STOP_AFTER_EXIT, Cause::Finished, code).pack(), Ordering::AcqRel);
    platform::end_in_order(code)
}

/// How much later than [`exit`] the process ends at the latest.
const HARD_STOP_AFTER_EXIT: Duration = Duration::from_millis(250);

/// The instant by which the process is gone once [`exit`] has been called; every hard stop keeps it.
static ENDING: AtomicU64 = AtomicU64::new(DISARMED);

/// What packed instants are counted from.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

#[derive(Debug)]
struct Due {
    /// A packed [`Deadline`], so that one atomic minimum decides between two calls.
    earliest: AtomicU64,
}

impl Due {
    fn keep(&self, messages: &Messages) {
        loop {
            let packed = self.earliest.load(Ordering::Acquire);
            if packed == RETIRED {
                return;
            }
            if packed == DISARMED {
                thread::park();
                continue;
            }
            let deadline = Deadline::unpack(packed.min(ENDING.load(Ordering::Acquire)));
            let left = deadline.at.saturating_sub(epoch().elapsed());
            if left.is_zero() {
                deadline.carry_out(messages);
            }
            thread::park_timeout(left.min(LOOK));
        }
    }
}

const DISARMED: u64 = u64::MAX;
/// The thread has ended, or is about to. Below every packed instant, so that none replaces it.
const RETIRED: u64 = 0;

/// How often an armed hard stop checks whether its deadline has been moved forward.
const LOOK: Duration = Duration::from_millis(50);

struct Deadline {
    /// Since the process's epoch; packed in whole microseconds.
    at: Duration,
    cause: Cause,
    code: u8,
}

impl Deadline {
    fn after(after: Duration, cause: Cause, code: u8) -> Self {
        Self { at: epoch().elapsed().saturating_add(after), cause, code }
    }

    /// To be asked of no hard stop that has retired. One that is not armed has another cause's bits.
    fn is_forced(packed: u64) -> bool {
        Self::unpack(packed).cause == Cause::Forced
    }

    /// The instant in the upper bits, so that the smallest number is the earliest.
    fn pack(&self) -> u64 {
        // Between RETIRED and DISARMED with every cause and code.
        let latest = (u64::MAX >> 10) - 1;
        let micros = u64::try_from(self.at.as_micros()).map_or(latest, |micros| micros.clamp(1, latest));
        let cause = match self.cause {
            Cause::Forced => 0,
            Cause::Deadline => 1,
            Cause::Finished => 2,
            Cause::AfterRun => 3,
        };
        micros << 10 | cause << 8 | u64::from(self.code)
    }

    fn unpack(packed: u64) -> Self {
        let [code, ..] = packed.to_le_bytes();
        let cause = match packed >> 8 & 0b11 {
            0 => Cause::Forced,
            1 => Cause::Deadline,
            2 => Cause::Finished,
            _ => Cause::AfterRun,
        };
        Self { at: Duration::from_micros(packed >> 10), cause, code }
    }

    fn carry_out(&self, messages: &Messages) -> ! {
        let line: &[u8] = match self.cause {
            Cause::Deadline => &messages.deadline,
            Cause::Forced => &messages.forced,
            Cause::Finished => &[],
            Cause::AfterRun => &messages.after_run,
        };
        platform::say(&line[..line.len().min(512)]);
        exit_immediately(self.code)
    }
}

#[cfg(unix)]
mod platform {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    /// One write to standard error, if it has a reader, and room.
    pub(super) fn say(line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let mut stderr = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
        // SAFETY: one valid entry; no waiting. If it fails, no event is returned.
        unsafe { libc::poll(&raw mut stderr, 1, 0) };
        if stderr.revents == libc::POLLOUT {
            // SAFETY: `line` is valid for its length.
            unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
        }
    }

    pub(super) fn end(code: u8) -> ! {
        // SAFETY: it runs nothing of this process, whatever state that is in.
        unsafe { libc::_exit(i32::from(code)) }
    }

    /// As `std::process::exit`, without taking this thread's signal stack out of the memory first: with other threads
    /// running that costs as much as ending all of them.
    pub(super) fn end_in_order(code: u8) -> ! {
        static BEGUN: AtomicBool = AtomicBool::new(false);
        if BEGUN.swap(true, Ordering::Relaxed) {
            // C leaves open what a second one does.
            loop {
                thread::park();
            }
        }
        let _ = std::io::Write::flush(&mut std::io::stdout()); // there is nothing left to tell of it
        // SAFETY: no other thread gets here, and nothing else in this crate calls it.
        unsafe { libc::exit(i32::from(code)) }
    }
}

#[cfg(windows)]
mod platform {
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};

    /// Nothing: Windows cannot tell whether a write would wait, and one does while text is marked in the console.
    pub(super) fn say(_line: &[u8]) {}

    pub(super) fn end(code: u8) -> ! {
        loop {
            // SAFETY: the handle is this process's own, and the call runs nothing of it. `ExitProcess` would run each library's detaching.
            unsafe { TerminateProcess(GetCurrentProcess(), u32::from(code)) };
        }
    }

    pub(super) fn end_in_order(code: u8) -> ! {
        let _ = std::io::Write::flush(&mut std::io::stdout()); // there is nothing left to tell of it
        end(code)
    }
}

#[cfg(test)]
mod tests;
