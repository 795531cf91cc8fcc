use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many lines may wait for an output, and how many bytes they may have in all: an output that hangs must not
/// use up the memory.
pub(super) const MOST_LINES: usize = 4096;
const MOST_BYTES: usize = 4 << 20;

/// How many bytes go out at once, in whole lines: what a pipe takes in one piece on Linux, whoever else writes to it.
/// A longer line goes out alone.
const AT_ONCE: usize = 4096;

/// How long the writer rests after what it has written, before it looks whether there is more: lines come in bursts,
/// and a thread that is woken for each of them takes the time of the one that logs.
const NAP: Duration = Duration::from_millis(1);

/// How long whoever flushes looks by itself whether the writer is done. With an output that works it is sooner than a
/// thread that sleeps is woken.
const LOOK: Duration = Duration::from_micros(100);

/// The lines that wait for one output. Its lock is held for a few instructions only, never while writing.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// Something has been written, or given up.
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Line>,
    /// The bytes in `lines`.
    bytes: usize,
    /// How many lines were ever let in, and how many of them the writer took, and is done with. They leave in the
    /// order in which they came, so comparing the counts tells whether a given line has left.
    pushed: u64,
    taken: u64,
    done: u64,
    /// How many were turned away after the last one that was let in.
    lost: u64,
    /// How many were lost in all: turned away, or refused by the output.
    dropped: u64,
    writer: Writer,
    /// How much has to be done before somebody in [`Queue::flush`] is to be told, if anybody is there.
    awaited: Option<u64>,
}

/// What the writer does, as far as somebody has to wake it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Writer {
    /// It looks at the queue next.
    #[default]
    Awake,
    /// It looks at the queue within [`NAP`].
    Naps,
    /// It has to be woken.
    Sleeps,
}

impl State {
    /// The first line, and those after it that go out with it.
    fn take(&mut self) -> Work {
        let mut work = Work::default();
        while let Some(line) = self.lines.front() {
            let goes_along = line.lost_before == 0 && work.text.len() + line.text.len() < AT_ONCE;
            if !work.text.is_empty() && !goes_along {
                break;
            }
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.text.len();
            self.taken += 1;
            work.lost += line.lost_before;
            work.text.push_str(&line.text);
            work.text.push('\n');
        }
        work
    }

    /// Whether the writer is to be woken; it is to be woken once.
    fn wakes(&mut self) -> bool {
        let is_due = match self.writer {
            Writer::Awake => false,
            Writer::Naps => {
                self.awaited.is_some() || self.lines.len() > MOST_LINES / 2 || self.bytes > MOST_BYTES / 2
            }
            Writer::Sleeps => true,
        };
        if is_due {
            self.writer = Writer::Awake;
        }
        is_due
    }
}

#[derive(Debug)]
struct Line {
    text: String,
    /// How many were turned away just before it.
    lost_before: u64,
}

/// What the writer does next.
#[derive(Default)]
struct Work {
    /// Lines that were turned away before these.
    lost: u64,
    /// Lines, each with its end.
    text: String,
}

impl Queue {
    /// Lets a line in, or counts it as lost if there is no room. Never waits for the output.
    pub(super) fn push(&self, text: String) {
        let mut state = self.lock();
        if state.lines.len() >= MOST_LINES || state.bytes + text.len() > MOST_BYTES {
            state.lost += 1;
            state.dropped += 1;
        } else {
            state.pushed += 1;
            state.bytes += text.len();
            let lost_before = mem::take(&mut state.lost);
            state.lines.push_back(Line { text, lost_before });
        }
        let wakes = state.wakes();
        drop(state);
        if wakes {
            self.filled.notify_one();
        }
    }

    /// Waits until all that has been let in has left, `bound` at most.
    pub(super) fn flush(&self, bound: Duration) -> bool {
        let begun = Instant::now();
        let mut state = self.lock();
        let last = state.pushed;
        while state.done < last {
            let left = bound.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return false;
            }
            // Whoever waits for less is told first, and sees to it that this one is told again.
            state.awaited = Some(state.awaited.map_or(last, |awaited| awaited.min(last)));
            if state.wakes() {
                // Without the lock, for which the writer would wait at once.
                drop(state);
                self.filled.notify_one();
                state = self.look_until(last, LOOK.min(left));
                if state.done >= last {
                    break;
                }
            }
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Looks again and again, at most for so long, whether as many lines have left.
    fn look_until(&self, last: u64, bound: Duration) -> MutexGuard<'_, State> {
        let begun = Instant::now();
        loop {
            let state = self.lock();
            if state.done >= last || begun.elapsed() >= bound {
                return state;
            }
            drop(state);
            thread::yield_now();
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// The writer's next work, once there is some. Says how many lines the output has just refused.
    fn next(&self, refused: u64) -> Work {
        let mut state = self.lock();
        state.dropped += refused;
        let mut napped = false;
        loop {
            if !state.lines.is_empty() {
                state.done = state.taken;
                self.settle(&mut state);
                return state.take();
            }
            // Whoever flushes waits for this as well: it is the last thing that the log has to say.
            if state.lost > 0 {
                return Work { lost: mem::take(&mut state.lost), text: String::new() };
            }
            state.done = state.taken;
            self.settle(&mut state);
            state = self.rest(state, &mut napped);
        }
    }

    /// Waits for something to write, for a nap first, and then until it comes.
    fn rest<'a>(&self, mut state: MutexGuard<'a, State>, napped: &mut bool) -> MutexGuard<'a, State> {
        if mem::replace(napped, true) {
            state.writer = Writer::Sleeps;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        } else {
            state.writer = Writer::Naps;
            state = self.filled.wait_timeout(state, NAP).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.writer = Writer::Awake;
        state
    }

    fn settle(&self, state: &mut State) {
        if state.awaited.is_some_and(|awaited| state.done >= awaited) {
            state.awaited = None;
            self.settled.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an output's thread does: writes line after line, for the rest of the process's life. What the output refuses is
/// lost; `lost` words how many were, and `complain` hears the first error after each success.
pub(super) fn write_all(
    queue: &Queue,
    mut output: impl Write,
    lost: impl Fn(u64) -> String,
    complain: impl Fn(&io::Error),
) {
    let mut untold = 0;
    let mut refused = 0;
    let mut works = true;
    let mut torn = false;
    loop {
        let work = queue.next(mem::take(&mut refused));
        untold += work.lost;
        // What follows in the text on the line that was refused.
        let mut write = |text: &str| match write_lines(&mut output, text, &mut torn) {
            Ok(()) => {
                works = true;
                None
            }
            Err((error, written)) => {
                if mem::replace(&mut works, false) {
                    complain(&error);
                }
                let end = text.as_bytes()[written..].iter().position(|&byte| byte == b'\n');
                Some(end.map_or(text.len(), |end| written + end + 1))
            }
        };
        let mut text = work.text.as_str();
        loop {
            if untold > 0 && write(&format!("{}\n", lost(untold))).is_none() {
                untold = 0;
            }
            if text.is_empty() {
                break;
            }
            let Some(after) = write(text) else { break };
            untold += 1;
            refused += 1;
            text = &text[after..];
        }
    }
}

/// Writes whole lines, in one call where the output lets it. With an error comes how much was written before it.
/// `torn` remembers a line that broke off, so that the next one does not go on in it.
fn write_lines(output: &mut impl Write, text: &str, torn: &mut bool) -> Result<(), (io::Error, usize)> {
    if *torn {
        write_bytes(output, b"\n").map_err(|(error, _)| (error, 0))?;
        *torn = false;
    }
    write_bytes(output, text.as_bytes()).inspect_err(|&(_, written)| {
        *torn = written > 0 && text.as_bytes()[written - 1] != b'\n';
    })?;
    output.flush().map_err(|error| (error, text.len()))
}

fn write_bytes(output: &mut impl Write, bytes: &[u8]) -> Result<(), (io::Error, usize)> {
    let mut written = 0;
    while written < bytes.len() {
        match output.write(&bytes[written..]) {
            Ok(0) => return Err((ErrorKind::WriteZero.into(), written)),
            Ok(more) => written = (written + more).min(bytes.len()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares the output has set it not to block. There is nothing portable to wait by, and
            // this thread has time.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err((error, written)),
        }
    }
    Ok(())
}
