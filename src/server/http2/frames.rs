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
pub(super) enum Frame {
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
    pub(super) fn ended_stream(self) -> Option<u32> {
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
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn scan(scanner: &mut FrameScanner, bytes: &[u8]) -> Vec<Frame> {
        let mut found = Vec::new();
        scanner.feed(bytes, |frame, _| found.push(frame));
        found
    }

    #[test]
    fn a_clients_first_bytes_are_the_preface_and_no_frame() {
        let mut scanner = FrameScanner::of_client();
        assert_eq!(scan(&mut scanner, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"), []);
        assert!(!scanner.at_boundary() && !scanner.is_past_preface());
        let rest = [b"\n".as_slice(), &frame(4, 0, 0, &[0, 3, 0, 0, 0, 100])].concat();
        assert_eq!(scan(&mut scanner, &rest), [Frame::Other]);
        assert!(scanner.at_boundary());
    }

    #[test]
    fn a_header_block_is_one_frame_and_no_boundary_before_its_end() {
        let mut scanner = FrameScanner::of_server();
        assert_eq!(scan(&mut scanner, &frame(1, code::END_STREAM, 5, b"half a")), []);
        assert!(!scanner.at_boundary());
        assert_eq!(scan(&mut scanner, &frame(9, 0, 5, b" block")), []);
        let ended = scan(&mut scanner, &frame(9, code::END_HEADERS, 5, b""));
        assert_eq!(ended, [Frame::Headers { stream: 5, ends_stream: true }]);
        assert!(scanner.at_boundary());
        assert_eq!(ended[0].ended_stream(), Some(5));
    }

    /// Each byte is a field, wherever one is taken for a part of the block.
    #[test]
    fn a_clients_head_is_its_header_blocks_and_nothing_around_them() {
        const FIELD: u8 = 0x82;
        const PADDING: u8 = 7;
        for (flags, excess, cut) in
            (0..4).flat_map(|flags| (0..2).flat_map(move |n| (1..40).map(move |cut| (flags, n, cut))))
        {
            let (padded, priority) = (flags & 1 != 0, flags & 2 != 0);
            let mut payload = Vec::new();
            payload.extend(padded.then_some(PADDING));
            payload.extend(priority.then_some([FIELD; 5]).into_iter().flatten());
            payload.extend([FIELD; 40]);
            payload.extend(padded.then_some([FIELD; PADDING as usize]).into_iter().flatten());
            let flags = if padded { code::PADDED } else { 0 } | if priority { code::PRIORITY } else { 0 };
            let bytes = [
                frame(code::HEADERS, flags, 1, &payload),
                // A flag that a CONTINUATION does not have.
                frame(
                    code::CONTINUATION,
                    code::END_HEADERS | code::PADDED,
                    1,
                    &vec![FIELD; fields::MAX_FIELDS - 40 + excess],
                ),
                frame(code::DATA, code::PADDED, 1, &[FIELD; 20]),
                frame(code::PING, 0, 0, &[FIELD; 8]),
            ]
            .concat();
            let mut scanner = FrameScanner::of_client();
            scan(&mut scanner, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            bytes.chunks(cut).for_each(|chunk| drop(scan(&mut scanner, chunk)));
            assert_eq!(scanner.head_is_too_large(), excess > 0, "{padded} {priority} {cut}");
        }
    }

    #[test]
    fn a_long_frame_ends_where_each_byte_of_its_length_says() {
        for length in [0x0001_0000, 0x0002_0304] {
            let mut scanner = FrameScanner::of_server();
            let bytes = frame(code::DATA, 0, 1, &vec![0; length]);
            assert_eq!(scan(&mut scanner, &bytes[..bytes.len() - 1]), []);
            let ended = scan(&mut scanner, &bytes[bytes.len() - 1..]);
            assert_eq!(ended, [Frame::Data { stream: 1, length, ends_stream: false }]);
        }
    }

    #[test]
    fn own_frames_are_read_as_they_were_meant() {
        let bytes = [go_away(MAX_STREAM), ping(*b"goodbye!")].concat();
        let expected = [
            Frame::GoAway { last_stream: MAX_STREAM, error: 0 },
            Frame::Ping { is_ack: false, payload: *b"goodbye!" },
        ];
        assert_eq!(scan(&mut FrameScanner::of_server(), &bytes), expected);
    }

    #[test]
    fn the_limits_are_added_to_settings_and_to_nothing_else() {
        let settings = frame(code::SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
        let followed = [&settings[..], &ping([0; 8])].concat();
        let expected = frame(code::SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0, 0, 3, 0, 0, 1, 0, 0, 6, 0, 1, 0, 0]);
        assert_eq!(with_limits(&followed, 256), Some((expected, settings.len())));
        for other in [&settings[..settings.len() - 1], &frame(code::SETTINGS, 1, 0, b""), &ping([0; 8]), b""]
        {
            assert_eq!(with_limits(other, 256), None, "{other:?}");
        }
    }

    #[test]
    fn an_unfinished_frame_that_may_be_a_ping_can_be_fed_again() {
        let bytes = ping(*b"graceful");
        for cut in 1..bytes.len() {
            let mut scanner = FrameScanner::of_server();
            assert_eq!(scan(&mut scanner, &bytes[..cut]), []);
            assert_eq!(scanner.unfinished_ping(), Some(cut));
            scanner.forget_unfinished();
            assert!(scanner.at_boundary());
            assert_eq!(scan(&mut scanner, &bytes).len(), 1);
        }
        let mut scanner = FrameScanner::of_server();
        scan(&mut scanner, &frame(0, 0, 1, b"data")[..10]);
        assert_eq!(scanner.unfinished_ping(), None);
    }

    /// A frame as it is sent, and as it is to be found.
    fn any_frame() -> impl Strategy<Value = (Vec<u8>, Frame)> {
        let stream = (0..MAX_STREAM, any::<bool>(), vec(any::<u8>(), 0..70));
        prop_oneof![
            stream.clone().prop_map(|(stream, ends_stream, payload)| {
                let bytes = frame(code::DATA, u8::from(ends_stream), stream, &payload);
                (bytes, Frame::Data { stream, length: payload.len(), ends_stream })
            }),
            (stream, vec(vec(any::<u8>(), 0..9), 0..4)).prop_map(|((stream, ends_stream, payload), more)| {
                let end = |is_last: bool| if is_last { code::END_HEADERS } else { 0 };
                let mut bytes =
                    frame(code::HEADERS, u8::from(ends_stream) | end(more.is_empty()), stream, &payload);
                for (index, part) in more.iter().enumerate() {
                    bytes.extend(frame(code::CONTINUATION, end(index + 1 == more.len()), stream, part));
                }
                (bytes, Frame::Headers { stream, ends_stream })
            }),
            (0..MAX_STREAM).prop_map(|stream| (frame(3, 0, stream, &[0; 4]), Frame::Reset { stream })),
            (any::<bool>(), any::<[u8; 8]>()).prop_map(|(is_ack, payload)| {
                (frame(code::PING, u8::from(is_ack), 0, &payload), Frame::Ping { is_ack, payload })
            }),
            (0..MAX_STREAM, any::<u32>(), vec(any::<u8>(), 0..20)).prop_map(|(last_stream, error, debug)| {
                let payload = [&last_stream.to_be_bytes()[..], &error.to_be_bytes(), &debug].concat();
                (frame(code::GOAWAY, 0, 0, &payload), Frame::GoAway { last_stream, error })
            }),
            (10_u8.., vec(any::<u8>(), 0..300))
                .prop_map(|(kind, payload)| { (frame(kind, 0xff, 1, &payload), Frame::Other) }),
        ]
    }

    proptest! {
        /// However the bytes are cut, the same frames are found, and a boundary is where one ends and nowhere else.
        #[test]
        fn every_frame_is_found_wherever_the_bytes_are_cut(
            frames in vec(any_frame(), 1..12),
            cuts in vec(1_usize..40, 1..40),
        ) {
            let mut ends = vec![0];
            let mut bytes = Vec::new();
            for (sent, _) in &frames {
                bytes.extend(sent);
                ends.push(bytes.len());
            }
            let expected: Vec<_> = frames.iter().map(|(_, frame)| *frame).collect();
            let mut scanner = FrameScanner::of_server();
            let (mut found, mut read) = (Vec::new(), 0);
            for length in cuts.iter().cycle() {
                let end = bytes.len().min(read + length);
                scanner.feed(&bytes[read..end], |frame, _| found.push(frame));
                read = end;
                prop_assert_eq!(scanner.at_boundary(), ends.contains(&read), "after {} bytes", read);
                if read == bytes.len() {
                    break;
                }
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_bytes_make_it_panic(chunks in vec(vec(any::<u8>(), 0..200), 0..20)) {
            let mut scanner = FrameScanner::of_client();
            for chunk in &chunks {
                scanner.feed(chunk, |_, _| {});
            }
        }
    }
}
