//! The lines that wait for one output, and the thread that writes them.

use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::sync::lock;

/// How many lines may wait for an output, and how many bytes they may have in all: an output that hangs must not
/// use up the memory. As many again may be in the writer's hands.
pub(super) const MOST_LINES: usize = 4096;
const MOST_BYTES: usize = 4 << 20;

/// How many bytes are written at once, in whole lines: what a pipe takes in one piece on Linux, without a line of
/// another process in between. A longer line is written alone.
const AT_ONCE: usize = 4096;

/// How long the writer waits before it tries an output again that is set not to block.
const OUTPUT_RETRY: Duration = Duration::from_millis(5);

/// The lines that wait for one output. Its lock is held for a few instructions only, never while writing.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// Something has been written, or lost.
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    /// The bytes in `lines`.
    bytes: usize,
    /// How many lines were turned away since the writer last took some. They are all later than `lines`.
    turned_away: u64,
    /// How many lines were lost in all: turned away, or refused by the output.
    dropped: u64,
    /// How many lines were ever let in, and how many of them have left: written, or refused by the output.
    pushed: u64,
    settled: u64,
}

impl State {
    /// Returns true if the writer has nothing to take.
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.turned_away == 0
    }
}

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The program's own.
    Own,
    /// Another crate's: half of the queue is kept free of these.
    Foreign,
}

impl Queue {
    /// Lets a line in, or counts it as lost if there is no room. Never waits for the output.
    pub(super) fn push(&self, line: String, origin: Origin) {
        let share = match origin {
            Origin::Own => 1,
            Origin::Foreign => 2,
        };
        let mut state = self.lock();
        // Otherwise the writer is at work, or has been woken.
        let is_first = state.is_empty();
        if state.lines.len() >= MOST_LINES / share || state.bytes + line.len() > MOST_BYTES / share {
            state.turned_away += 1;
            state.dropped += 1;
        } else {
            state.pushed += 1;
            state.bytes += line.len();
            state.lines.push(line);
        }
        drop(state);
        if is_first {
            self.filled.notify_one();
        }
    }

    /// Waits until all that has been let in has left, `timeout` at most. Returns whether it has.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let state = self.lock();
        let last = state.pushed;
        let wait = self.settled.wait_timeout_while(state, timeout, |state| state.settled < last);
        wait.unwrap_or_else(PoisonError::into_inner).0.settled >= last
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits for something to write, and takes all of it: the lines, and how many were turned away after them.
    fn take(&self) -> (Vec<String>, u64) {
        let state = self.filled.wait_while(self.lock(), |state| state.is_empty());
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        (mem::take(&mut state.lines), mem::take(&mut state.turned_away))
    }

    /// Counts lines that have left, some of them refused by the output.
    fn settle(&self, lines: usize, refused: u64) {
        let mut state = self.lock();
        state.settled += lines as u64;
        state.dropped += refused;
        drop(state);
        self.settled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// What an output's thread does: writes line after line, for the rest of the process's life. What the output refuses is
/// lost; `lost` makes the line that says how many were, and `complain` gets the first error after each success.
pub(super) fn write_all(
    queue: &Queue,
    output: impl Write,
    lost: impl Fn(u64) -> String,
    complain: impl Fn(&io::Error),
) {
    let mut output = Output { sink: output, works: true, torn: false, complain };
    // Lines that were lost, and whose loss has not been said.
    let mut unreported = 0;
    loop {
        let (lines, turned_away) = queue.take();
        let mut lines = lines.as_slice();
        while !lines.is_empty() {
            if unreported > 0 && output.write(&[lost(unreported)]) == 1 {
                unreported = 0;
            }
            let piece = &lines[..piece(lines)];
            let written = output.write(piece);
            // The line that was refused is lost, and those after it are tried again.
            let refused = usize::from(written < piece.len());
            unreported += refused as u64;
            queue.settle(written + refused, refused as u64);
            lines = &lines[written + refused..];
        }
        unreported += turned_away;
        if unreported > 0 && output.write(&[lost(unreported)]) == 1 {
            unreported = 0;
        }
    }
}

/// How many lines are written at once: at least one.
fn piece(lines: &[String]) -> usize {
    let mut bytes = 0;
    let fit = lines.iter().take_while(|line| {
        bytes += line.len() + 1;
        bytes <= AT_ONCE
    });
    fit.count().max(1)
}

struct Output<W, C> {
    sink: W,
    /// False after an error, until something is written again.
    works: bool,
    /// A line broke off; the next one does not go on in it.
    torn: bool,
    complain: C,
}

impl<W: Write, C: Fn(&io::Error)> Output<W, C> {
    /// Writes lines, in one call where the output lets it. Returns how many of them were written whole.
    fn write(&mut self, lines: &[String]) -> usize {
        let mut text = String::with_capacity(1 + lines.iter().map(|line| line.len() + 1).sum::<usize>());
        let torn = usize::from(self.torn);
        if self.torn {
            text.push('\n');
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        let mut written = 0;
        let result = write_bytes(&mut self.sink, text.as_bytes(), &mut written);
        let whole = text.as_bytes()[..written].split(|byte| *byte == b'\n').skip(1 + torn).count();
        if written > 0 {
            self.torn = text.as_bytes()[written - 1] != b'\n';
        }
        match result.and_then(|()| self.sink.flush()) {
            Ok(()) => self.works = true,
            Err(error) => {
                if mem::replace(&mut self.works, false) {
                    (self.complain)(&error);
                }
            }
        }
        whole
    }
}

fn write_bytes(output: &mut impl Write, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < bytes.len() {
        match output.write(&bytes[*written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(more) => *written = (*written + more).min(bytes.len()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The output is set not to block, by this process or by one that shares it. There is nothing portable to
            // wait by, and this thread has time.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(OUTPUT_RETRY),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
