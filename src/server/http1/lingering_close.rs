//! The end of an HTTP/1 connection whose client may still be sending: [`LingeringClose`].

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_rt::time::{Sleep, sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::io::Io;
use crate::os::socket;

/// Closes our side, then reads and discards what the client still sends: closing a socket with unread data in it
/// resets the connection, and a reset can take the last answer along.
///
/// Ends when the client closes its side, sends nothing for too long, or sends too much.
#[derive(Debug)]
pub(super) struct LingeringClose {
    /// How long the client may send nothing; zero is no time at all.
    silence_timeout: Duration,
    /// More is to come: the rest of a body.
    expects_more: bool,
    reading: Option<Reading>,
}

/// What is left once our side is closed.
#[derive(Debug)]
struct Reading {
    /// When the client has sent nothing for too long; none, if only what is in the socket is read.
    silence: Option<Pin<Box<Sleep>>>,
    /// When reading ends, whatever comes; none, while nothing had to be waited for.
    ends: Option<Pin<Box<Sleep>>>,
    bytes_left: usize,
}

/// The longest time that a closing connection is read on, and the most bytes.
const READING_TIMEOUT: Duration = Duration::from_secs(10);
const READING_BYTES: usize = 64 << 20;
/// How often a closing connection is read in one poll.
const DISCARDS: usize = 16;

impl LingeringClose {
    pub(super) fn new(silence_timeout: Duration, expects_more: bool) -> Self {
        Self { silence_timeout, expects_more, reading: None }
    }

    /// Ready when the socket may be closed.
    pub(super) fn poll(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<()> {
        if self.reading.is_none() {
            // An error means that there is no connection any more.
            if ready!(Pin::new(&mut *io).poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            let silence = self.expects_more.then(|| silence(self.silence_timeout)).flatten();
            self.reading = Some(Reading { silence, ends: None, bytes_left: READING_BYTES });
        }
        for _ in 0..DISCARDS {
            let Some(reading) = &mut self.reading else { return Poll::Ready(()) };
            match poll_discard(io, cx) {
                Poll::Ready(Ok(discarded)) if (1..reading.bytes_left).contains(&discarded) => {
                    reading.bytes_left -= discarded;
                    reading.silence = silence(self.silence_timeout);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let is_silent = match &mut reading.silence {
                        Some(silence) => silence.as_mut().poll(cx).is_ready(),
                        // The runtime may not have been told yet of bytes that have come.
                        None => !has_unread(io),
                    };
                    if is_silent {
                        return Poll::Ready(());
                    }
                    let ends = reading.ends.get_or_insert_with(|| Box::pin(sleep(READING_TIMEOUT)));
                    return ends.as_mut().poll(cx);
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn silence(timeout: Duration) -> Option<Pin<Box<Sleep>>> {
    (!timeout.is_zero()).then(|| Box::pin(sleep(timeout)))
}

/// How many bytes were read and discarded; none at the client's end.
fn poll_discard(io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut bytes = [0; 4096];
    let mut unread = ReadBuf::new(&mut bytes);
    ready!(Pin::new(io).poll_read(cx, &mut unread))?;
    Poll::Ready(Ok(unread.filled().len()))
}

/// True if bytes, or an end, wait in the socket.
fn has_unread(io: &Io) -> bool {
    io.number().is_some_and(|socket| socket::have_no_pending_input(&[socket]) == [false])
}
