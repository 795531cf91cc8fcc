use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many lines may wait for an output, and how many bytes they may have in all: an output that hangs must not
/// use up the memory.
pub(super) const MOST_LINES: usize = 4096;
const MOST_BYTES: usize = 4 << 20;

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
}

#[derive(Debug)]
struct Line {
    text: String,
    /// How many were turned away just before it.
    lost_before: u64,
}

/// What the writer does next.
struct Work {
    /// Lines that were turned away before this one.
    lost: u64,
    text: Option<String>,
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
        drop(state);
        self.filled.notify_one();
    }

    /// Waits until all that has been let in has left, `bound` at most.
    pub(super) fn flush(&self, bound: Duration) -> bool {
        let state = self.lock();
        let last = state.pushed;
        let waited = self.settled.wait_timeout_while(state, bound, |state| state.done < last);
        waited.unwrap_or_else(PoisonError::into_inner).0.done >= last
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// The writer's next work, once there is some. Says how many lines the output has just refused.
    fn next(&self, refused: u64) -> Work {
        let mut state = self.lock();
        state.dropped += refused;
        loop {
            if let Some(Line { text, lost_before }) = state.lines.pop_front() {
                state.bytes -= text.len();
                state.done = state.taken;
                state.taken += 1;
                self.settled.notify_all();
                return Work { lost: lost_before, text: Some(text) };
            }
            // Whoever flushes waits for this as well: it is the last thing that the log has to say.
            if state.lost > 0 {
                return Work { lost: mem::take(&mut state.lost), text: None };
            }
            state.done = state.taken;
            self.settled.notify_all();
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
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
        let mut write = |text: String| match write_line(&mut output, text, &mut torn) {
            Ok(()) => {
                works = true;
                true
            }
            Err(error) => {
                if mem::replace(&mut works, false) {
                    complain(&error);
                }
                false
            }
        };
        if untold > 0 && write(lost(untold)) {
            untold = 0;
        }
        if work.text.is_some_and(|text| !write(text)) {
            untold += 1;
            refused = 1;
        }
    }
}

/// Writes one line, in one call where the output lets it. `torn` remembers a line that broke off, so that the
/// next one does not go on in it.
fn write_line(output: &mut impl Write, text: String, torn: &mut bool) -> io::Result<()> {
    let mut line = text;
    if *torn {
        line.insert(0, '\n');
    }
    line.push('\n');
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                rest = rest.get(written..).unwrap_or_default();
                *torn = !rest.is_empty();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares the output has set it not to block. There is nothing portable to wait by, and
            // this thread has time.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error),
        }
    }
    output.flush()
}
