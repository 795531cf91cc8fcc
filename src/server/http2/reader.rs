//! [`Reader`]: reads what a client sends, and takes the acknowledgement of the wire's own PING out of it: the
//! dispatcher would warn of an acknowledgement of what it has not sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::frames::{Frame, FrameScanner, SHORT_FRAME};

/// What a client sends.
#[derive(Debug)]
pub(super) struct Reader {
    scanner: FrameScanner,
    payload: [u8; 8],
    /// The beginning of a frame that may be the acknowledgement. The scanner has not been fed with it.
    held: Vec<u8>,
}

/// What has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Bytes for the dispatcher.
    Bytes,
    /// Bytes for the dispatcher, and the acknowledgement between them.
    Acknowledgement,
    /// The acknowledgement alone.
    NothingButAcknowledgement,
    /// Less than a frame that may be the acknowledgement.
    Nothing,
    /// The client has closed its side.
    End,
}

impl Reader {
    /// Looks for the acknowledgement of a PING with this payload.
    pub(super) fn new(payload: [u8; 8]) -> Self {
        Self { scanner: FrameScanner::of_client(), payload, held: Vec::new() }
    }

    /// Returns true if a frame may be put in here.
    pub(super) fn at_boundary(&self) -> bool {
        self.scanner.at_boundary()
    }

    /// Returns true if a request's head was larger than it may be.
    pub(super) fn head_is_too_large(&self) -> bool {
        self.scanner.head_is_too_large()
    }

    /// Returns true once the client has begun to speak HTTP/2.
    pub(super) fn is_past_preface(&self) -> bool {
        self.scanner.is_past_preface()
    }

    /// Reads into `buf`, and reports each frame that ends there. The acknowledgement is taken out while it
    /// `is_awaited`.
    pub(super) fn poll_read<T: AsyncRead + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        is_awaited: bool,
        mut found: impl FnMut(Frame),
    ) -> Poll<io::Result<Read>> {
        let before = buf.filled().len();
        if !self.held.is_empty() {
            if buf.remaining() <= self.held.len() {
                // No room to look for it: the dispatcher gets what is there.
                let rest = self.held.split_off(buf.remaining().min(self.held.len()));
                let part = std::mem::replace(&mut self.held, rest);
                buf.put_slice(&part);
                self.scanner.feed(&part, |frame, _| found(frame));
                return Poll::Ready(Ok(Read::Bytes));
            }
            buf.put_slice(&self.held);
        }
        let with_held = buf.filled().len();
        if Pin::new(io).poll_read(cx, buf)?.is_pending() {
            buf.set_filled(before);
            return Poll::Pending;
        }
        if buf.filled().len() == with_held {
            // Nothing comes behind an unfinished frame: it is no more to the dispatcher than its end.
            buf.set_filled(before);
            return Poll::Ready(Ok(Read::End));
        }
        self.held.clear();

        let new = &mut buf.filled_mut()[before..];
        let mut end_of_ours = None;
        self.scanner.feed(new, |frame, end| {
            let ours = Frame::Ping { is_ack: true, payload: self.payload };
            if is_awaited && frame == ours && end_of_ours.is_none() && end >= SHORT_FRAME {
                end_of_ours = Some(end);
            } else {
                found(frame);
            }
        });
        let mut length = new.len();
        if let Some(end) = end_of_ours {
            new.copy_within(end.., end - SHORT_FRAME);
            length -= SHORT_FRAME;
        } else if is_awaited {
            if let Some(unfinished) = self.scanner.unfinished_ping().filter(|&begun| begun <= length) {
                length -= unfinished;
                self.held.extend_from_slice(&new[length..]);
                self.scanner.forget_unfinished();
            }
        }
        buf.set_filled(before + length);
        Poll::Ready(Ok(match (end_of_ours, length) {
            (Some(_), 0) => Read::NothingButAcknowledgement,
            (Some(_), _) => Read::Acknowledgement,
            (None, 0) => Read::Nothing,
            (None, _) => Read::Bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, task::Waker};

    use proptest::{collection::vec, prelude::*};

    use super::{super::frames::ping, *};

    /// Gives one chunk a read, or as much of it as there is room for, and then the end.
    struct Chunks(VecDeque<Vec<u8>>);

    impl AsyncRead for Chunks {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let mut chunk = self.0.pop_front().unwrap_or_default();
            let rest = chunk.split_off(chunk.len().min(buf.remaining()));
            buf.put_slice(&chunk);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
            Poll::Ready(Ok(()))
        }
    }

    fn acknowledgement(payload: [u8; 8]) -> Vec<u8> {
        let mut frame = ping(payload);
        frame[4] = 1;
        frame.to_vec()
    }

    const OURS: [u8; 8] = *b"graceful";

    proptest! {
        /// The dispatcher gets every byte but those, wherever the client's bytes are cut. It may get those as well if it
        /// has no room for a whole frame.
        #[test]
        fn the_own_acknowledgement_and_nothing_else_is_taken_out(
            before in vec(any::<[u8; 8]>(), 0..4),
            behind in vec(any::<[u8; 8]>(), 0..4),
            cuts in vec(1_usize..40, 1..30),
            is_awaited in any::<bool>(),
            room in 1_usize..65,
        ) {
            let others = |payloads: &[[u8; 8]]| -> Vec<u8> {
                payloads.iter().flat_map(|&payload| acknowledgement(payload)).collect()
            };
            let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
            let first = [&preface[..], &others(&before)].concat();
            let without_ours = [&first[..], &others(&behind)].concat();
            let mut sent = [&first[..], &acknowledgement(OURS), &others(&behind)].concat();
            let all = sent.clone();
            let mut chunks = VecDeque::new();
            for &length in cuts.iter().cycle() {
                let rest = sent.split_off(length.min(sent.len()));
                chunks.push_back(std::mem::replace(&mut sent, rest));
                if sent.is_empty() {
                    break;
                }
            }
            let (mut io, mut reader) = (Chunks(chunks), Reader::new(OURS));
            let (mut got, mut frames, mut acknowledged) = (Vec::new(), 0, 0);
            loop {
                let mut bytes = [0; 64];
                let mut buf = ReadBuf::new(&mut bytes[..room]);
                let mut cx = Context::from_waker(Waker::noop());
                let waits = is_awaited && acknowledged == 0;
                let read = reader.poll_read(&mut io, &mut cx, &mut buf, waits, |_| frames += 1);
                got.extend_from_slice(buf.filled());
                match read {
                    Poll::Ready(Ok(Read::End)) => break,
                    Poll::Ready(Ok(Read::Acknowledgement | Read::NothingButAcknowledgement)) => acknowledged += 1,
                    Poll::Ready(Ok(Read::Bytes)) => prop_assert!(!buf.filled().is_empty()),
                    Poll::Ready(Ok(Read::Nothing)) => prop_assert!(buf.filled().is_empty()),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert!(acknowledged == usize::from(is_awaited) || acknowledged == 0 && room < 2 * SHORT_FRAME);
            prop_assert_eq!(got, if acknowledged == 1 { without_ours } else { all });
            prop_assert_eq!(frames, before.len() + behind.len() + 1 - acknowledged);
        }
    }
}
