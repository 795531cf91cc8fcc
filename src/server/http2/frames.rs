//! [`FrameScanner`]: finds the frames in one direction of an HTTP/2 connection's bytes, wherever they are cut.
//!
//! Pure: no socket, no clock. It knows no `PUSH_PROMISE`: actix-http sends none, and a client may not. It checks nothing,
//! which is the dispatcher's work: bytes that are not HTTP/2 give meaningless frames, and never a panic.

use super::fields::{self, FieldScanner};

/// The bytes that a client sends before its first frame.
const PREFACE_LENGTH: u8 = 24;
/// The bytes of a frame's header.
const HEADER_LENGTH: usize = 9;
/// The bytes of a PING or a GOAWAY without debug data.
pub(super) const SHORT_FRAME: usize = HEADER_LENGTH + 8;
/// The highest stream identifier.
pub(super) const MAX_STREAM: u32 = 0x7fff_ffff;

/// Frame types and flags, by RFC 9113.
mod code {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const CONTINUATION: u8 = 9;

    pub(super) const ACK: u8 = 0x1;
    pub(super) const END_STREAM: u8 = 0x1;
    pub(super) const END_HEADERS: u8 = 0x4;
    pub(super) const PADDED: u8 = 0x8;
    pub(super) const PRIORITY: u8 = 0x20;

    pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(super) const MAX_HEADER_LIST_SIZE: u16 = 6;

    pub(super) const ENHANCE_YOUR_CALM: u32 = 11;
}

/// A whole frame; a header block counts as one, however many CONTINUATION frames it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Frame {
    /// DATA, padding included.
    Data { stream: u32, length: usize, ends_stream: bool },
    /// HEADERS and all of its CONTINUATION frames: a request's, a response's or trailers.
    Headers { stream: u32, ends_stream: bool },
    /// `RST_STREAM`.
    Reset { stream: u32 },
    /// PING.
    Ping { is_ack: bool, payload: [u8; 8] },
    /// GOAWAY.
    GoAway { last_stream: u32, error: u32 },
    /// Any other type.
    Other,
}

impl Frame {
    /// Returns the stream that this frame ends, in the direction that it is sent in.
    pub(in crate::server) fn ended_stream(self) -> Option<u32> {
        match self {
            Self::Data { stream, ends_stream: true, .. }
            | Self::Headers { stream, ends_stream: true }
            | Self::Reset { stream } => Some(stream),
            _ => None,
        }
    }
}

/// Finds the frames in one direction of a connection.
#[derive(Debug, Default)]
pub(super) struct FrameScanner {
    /// Bytes of the preface that are still to come.
    preface_left: u8,
    header: [u8; HEADER_LENGTH],
    header_read: usize,
    payload_left: usize,
    /// The payload's first bytes, which is all that PING and GOAWAY are known by.
    payload: [u8; 8],
    payload_read: usize,
    block: Option<Block>,
    /// What is counted of a client's header blocks.
    fields: Option<FieldScanner>,
    /// What of the present frame's payload is no part of its header block: before it, and behind it.
    around_block: (usize, usize),
}

/// A header block whose `END_HEADERS` has not come yet.
#[derive(Clone, Copy, Debug)]
struct Block {
    stream: u32,
    ends_stream: bool,
}

impl FrameScanner {
    /// Scans what a server sends.
    pub(super) fn of_server() -> Self {
        Self::default()
    }

    /// Scans what a client sends, which begins with the preface.
    pub(super) fn of_client() -> Self {
        Self { preface_left: PREFACE_LENGTH, fields: Some(FieldScanner::default()), ..Self::default() }
    }

    /// Returns true if another frame may be put in here: the preface is over, and neither a frame nor a header
    /// block is unfinished.
    pub(super) fn at_boundary(&self) -> bool {
        self.preface_left == 0 && self.header_read == 0 && self.block.is_none()
    }

    /// Returns true once the client's preface has been seen.
    pub(super) fn is_past_preface(&self) -> bool {
        self.preface_left == 0
    }

    /// Returns true if a request's head was larger than it may be.
    pub(super) fn head_is_too_large(&self) -> bool {
        self.fields.as_ref().is_some_and(FieldScanner::is_too_large)
    }

    /// Returns the length of an unfinished frame that may be a PING, as far as it has been taken.
    pub(super) fn unfinished_ping(&self) -> Option<usize> {
        match self.header_read {
            0 => None,
            HEADER_LENGTH if self.header[3] != code::PING || self.payload_read == self.payload.len() => None,
            HEADER_LENGTH => Some(HEADER_LENGTH + self.payload_read),
            read => Some(read),
        }
    }

    /// Goes back to before the unfinished frame, whose bytes will be fed once more.
    pub(super) fn forget_unfinished(&mut self) {
        self.header_read = 0;
        self.payload_left = 0;
    }

    /// Takes the next bytes, and reports each frame that ends in them, in order, and after how many of them.
    pub(super) fn feed(&mut self, fed: &[u8], mut found: impl FnMut(Frame, usize)) {
        let mut bytes = fed;
        while !bytes.is_empty() {
            if let Some((frame, rest)) = self.take_whole(bytes) {
                bytes = rest;
                found(frame, fed.len() - bytes.len());
                continue;
            }
            if self.preface_left > 0 {
                let skipped = bytes.len().min(self.preface_left.into());
                self.preface_left -= u8::try_from(skipped).unwrap_or(self.preface_left);
                bytes = &bytes[skipped..];
            } else if self.header_read < HEADER_LENGTH {
                bytes = self.read_header(bytes);
            } else {
                bytes = self.read_payload(bytes);
            }
            if self.header_read == HEADER_LENGTH && self.payload_left == 0 {
                self.header_read = 0;
                if let Some(frame) = self.frame() {
                    found(frame, fed.len() - bytes.len());
                }
            }
        }
    }

    /// Takes a frame that is there as a whole, if it is of a kind that most are of. That is faster, and nothing else.
    #[inline]
    fn take_whole<'a>(&mut self, bytes: &'a [u8]) -> Option<(Frame, &'a [u8])> {
        let (&[high, middle, low, kind, flags, ref id @ ..], rest) =
            bytes.split_first_chunk::<HEADER_LENGTH>()?;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if length > rest.len() || !self.at_boundary() {
            return None;
        }
        let (payload, rest) = rest.split_at(length);
        let stream = u32::from_be_bytes(*id) & MAX_STREAM;
        let ends_stream = flags & code::END_STREAM != 0;
        match kind {
            code::DATA => Some((Frame::Data { stream, length, ends_stream }, rest)),
            code::HEADERS if flags & (code::END_HEADERS | code::PADDED) == code::END_HEADERS => {
                // A field takes a byte at least.
                if let Some(fields) = self.fields.as_mut().filter(|_| length > fields::MAX_FIELDS) {
                    let priority = if flags & code::PRIORITY != 0 { 5 } else { 0 };
                    fields.begin();
                    fields.feed(payload.get(priority..).unwrap_or_default());
                }
                Some((Frame::Headers { stream, ends_stream }, rest))
            }
            _ => None,
        }
    }

    fn read_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(HEADER_LENGTH - self.header_read));
        self.header[self.header_read..][..taken.len()].copy_from_slice(taken);
        self.header_read += taken.len();
        if self.header_read == HEADER_LENGTH {
            let [high, middle, low, ..] = self.header.map(usize::from);
            self.payload_left = high << 16 | middle << 8 | low;
            self.payload_read = 0;
            self.begin_block();
        }
        rest
    }

    /// A frame begins, which may be a part of a header block.
    fn begin_block(&mut self) {
        let Some(fields) = &mut self.fields else { return };
        let [_, _, _, kind, flags, ..] = self.header;
        if kind == code::HEADERS {
            fields.begin();
            let padding = usize::from(flags & code::PADDED != 0);
            let priority = if flags & code::PRIORITY != 0 { 5 } else { 0 };
            self.around_block = (padding + priority, 0);
        } else {
            self.around_block = (0, 0);
        }
    }

    /// Counts what of these bytes of the payload belongs to a header block.
    fn read_block(&mut self, bytes: &[u8]) {
        let [_, _, _, kind, flags, ..] = self.header;
        let Some(fields) = &mut self.fields else { return };
        if kind != code::HEADERS && kind != code::CONTINUATION {
            return;
        }
        let (before, behind) = &mut self.around_block;
        if self.payload_read == 0 && kind == code::HEADERS && flags & code::PADDED != 0 {
            *behind = bytes.first().map_or(0, |&padding| padding.into());
        }
        let skipped = bytes.len().min(*before);
        *before -= skipped;
        // `payload_left` counts these bytes, too.
        let end = bytes.len().min(self.payload_left.saturating_sub(*behind));
        fields.feed(bytes.get(skipped..end).unwrap_or_default());
    }

    fn read_payload<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(self.payload_left));
        self.read_block(taken);
        let kept = taken.len().min(self.payload.len() - self.payload_read);
        self.payload[self.payload_read..][..kept].copy_from_slice(&taken[..kept]);
        self.payload_read += kept;
        self.payload_left -= taken.len();
        rest
    }

    /// Returns the frame that has just ended; none, if it leaves a header block unfinished.
    fn frame(&mut self) -> Option<Frame> {
        let [_, _, _, kind, flags, id @ ..] = self.header;
        let stream = u32::from_be_bytes(id) & MAX_STREAM;
        let ends_stream = flags & code::END_STREAM != 0;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte));
        match kind {
            code::DATA => {
                let [high, middle, low, ..] = self.header.map(usize::from);
                Some(Frame::Data { stream, length: high << 16 | middle << 8 | low, ends_stream })
            }
            code::HEADERS => {
                self.block = Some(Block { stream, ends_stream });
                self.end_of_block(flags)
            }
            code::CONTINUATION => self.end_of_block(flags),
            code::RST_STREAM => Some(Frame::Reset { stream }),
            // The dispatcher ends a connection that has one of another length.
            code::PING if self.header[..3] == [0, 0, 8] => {
                Some(Frame::Ping { is_ack: flags & code::ACK != 0, payload: self.payload })
            }
            code::GOAWAY if self.payload_read == self.payload.len() => Some(Frame::GoAway {
                last_stream: number(&self.payload[..4]) & MAX_STREAM,
                error: number(&self.payload[4..]),
            }),
            _ => Some(Frame::Other),
        }
    }

    fn end_of_block(&mut self, flags: u8) -> Option<Frame> {
        if flags & code::END_HEADERS == 0 {
            return None;
        }
        Some(match self.block.take() {
            Some(Block { stream, ends_stream }) => Frame::Headers { stream, ends_stream },
            None => Frame::Other,
        })
    }
}

/// Returns a GOAWAY frame without an error.
pub(super) fn go_away(last_stream: u32) -> [u8; SHORT_FRAME] {
    go_away_with(last_stream, 0)
}

/// Returns a GOAWAY frame that says that the client asks for too much.
pub(super) fn enhance_your_calm() -> [u8; SHORT_FRAME] {
    go_away_with(MAX_STREAM, code::ENHANCE_YOUR_CALM)
}

fn go_away_with(last_stream: u32, error: u32) -> [u8; SHORT_FRAME] {
    let mut frame = [0, 0, 8, code::GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    frame[HEADER_LENGTH..][..4].copy_from_slice(&last_stream.to_be_bytes());
    frame[HEADER_LENGTH + 4..].copy_from_slice(&error.to_be_bytes());
    frame
}

/// Returns a PING frame.
pub(super) fn ping(payload: [u8; 8]) -> [u8; SHORT_FRAME] {
    let mut frame = [0, 0, 8, code::PING, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    frame[HEADER_LENGTH..].copy_from_slice(&payload);
    frame
}

/// Returns a SETTINGS frame with the limits of concurrent streams and of a head's length added, and the length of the one
/// that `bytes` begin with; nothing, if they begin with no whole SETTINGS frame.
pub(super) fn with_limits(bytes: &[u8], max: u32) -> Option<(Vec<u8>, usize)> {
    let [0, 0, payload, code::SETTINGS, 0, ..] = *bytes else { return None };
    let length = HEADER_LENGTH + usize::from(payload);
    let mut frame = bytes.get(..length)?.to_vec();
    let length_of_head = u32::try_from(fields::MAX_LENGTH).unwrap_or(u32::MAX);
    for (setting, value) in
        [(code::MAX_CONCURRENT_STREAMS, max), (code::MAX_HEADER_LIST_SIZE, length_of_head)]
    {
        frame[2] = frame[2].checked_add(6)?;
        frame.extend(setting.to_be_bytes());
        frame.extend(value.to_be_bytes());
    }
    Some((frame, length))
}

#[cfg(test)]
mod tests;
