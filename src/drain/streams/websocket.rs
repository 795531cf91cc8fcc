//! [`MessageScanner`]: where a WebSocket may be sent a close frame: between two frames of what the server sends.
//!
//! Pure. It follows frames, not messages: a control frame may stand between the fragments of a message (RFC 6455, 5.4).

/// A close frame of a server with the status 1001, "going away".
pub(super) const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];

/// The longest header of a frame: two bytes, a length of eight and a mask of four.
const MAX_HEADER: usize = 14;
const OPCODE: u8 = 0x0f;
const CLOSE: u8 = 0x8;
const MASKED: u8 = 0x80;

/// Follows the bytes that a server sends on a WebSocket.
#[derive(Clone, Debug, Default)]
pub(super) struct MessageScanner {
    header: [u8; MAX_HEADER],
    header_read: usize,
    payload_left: u64,
    has_closed: bool,
}

impl MessageScanner {
    /// Returns true if a frame may begin here.
    pub(super) fn at_boundary(&self) -> bool {
        self.header_read == 0
    }

    /// Returns true once a close frame has been sent.
    pub(super) fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// Takes the next bytes; returns the length of the shortest part of them after which a frame may begin, or
    /// `None` if none may begin anywhere in them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut first = None;
        let mut read = 0;
        while read < bytes.len() {
            if self.header_read < self.header_length() {
                self.header[self.header_read] = bytes[read];
                self.header_read += 1;
                read += 1;
                if self.header_read == self.header_length() {
                    self.payload_left = self.payload_length();
                }
            } else {
                let left = usize::try_from(self.payload_left).unwrap_or(usize::MAX);
                let taken = left.min(bytes.len() - read);
                self.payload_left -= taken as u64;
                read += taken;
            }
            if self.header_read == self.header_length() && self.payload_left == 0 {
                self.has_closed |= self.header[0] & OPCODE == CLOSE;
                self.header_read = 0;
                first = first.or(Some(read));
            }
        }
        first
    }

    /// Returns how long the header is, as far as it is known.
    fn header_length(&self) -> usize {
        if self.header_read < 2 {
            return 2;
        }
        let mask = if self.header[1] & MASKED == 0 { 0 } else { 4 };
        mask + match self.header[1] & !MASKED {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn payload_length(&self) -> u64 {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        match self.header[1] & !MASKED {
            126 => number(&self.header[2..4]),
            127 => number(&self.header[2..10]),
            short => short.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn frame(opcode: u8, is_masked: bool, payload: &[u8]) -> Vec<u8> {
        let mask = if is_masked { MASKED } else { 0 };
        let mut bytes = vec![0x80 | opcode];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length @ ..126), _) => bytes.push(mask | length),
            (_, Ok(length)) => {
                bytes.push(mask + 126);
                bytes.extend(length.to_be_bytes());
            }
            _ => {
                bytes.push(mask + 127);
                bytes.extend((payload.len() as u64).to_be_bytes());
            }
        }
        if is_masked {
            bytes.extend([0; 4]);
        }
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_frame_ends_where_its_length_says_whichever_of_the_three_forms_it_has() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for is_masked in [false, true] {
                let bytes = frame(2, is_masked, &vec![0x88; length]);
                let mut scanner = MessageScanner::default();
                assert_eq!(scanner.feed(&bytes[..bytes.len() - 1]), None, "{length}");
                assert!(!scanner.at_boundary());
                assert_eq!(scanner.feed(&bytes[bytes.len() - 1..]), Some(1), "{length}");
                assert!(scanner.at_boundary() && !scanner.has_closed());
            }
        }
    }

    #[test]
    fn a_close_frame_is_seen_and_the_own_one_is_one() {
        let mut scanner = MessageScanner::default();
        let bytes = [&frame(1, false, b"last words")[..], &GOING_AWAY].concat();
        assert_eq!(scanner.feed(&bytes), Some(12), "the first place, not the last");
        assert!(scanner.has_closed() && scanner.at_boundary());
        assert_eq!(u16::from_be_bytes([GOING_AWAY[2], GOING_AWAY[3]]), 1001);
    }

    proptest! {
        #[test]
        fn the_first_place_for_a_frame_is_found_wherever_the_bytes_are_cut(
            frames in vec((0_u8..11, any::<bool>(), vec(any::<u8>(), 0..300)), 1..8),
            cuts in vec(1_usize..90, 1..20),
        ) {
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for (opcode, is_masked, payload) in &frames {
                bytes.extend(frame(*opcode, *is_masked, payload));
                ends.push(bytes.len());
            }
            let (mut scanner, mut read) = (MessageScanner::default(), 0);
            for length in cuts.iter().cycle() {
                let end = bytes.len().min(read + length);
                let found = scanner.feed(&bytes[read..end]).map(|length| read + length);
                let expected = ends.iter().copied().find(|&place| place > read && place <= end);
                prop_assert_eq!(found, expected);
                prop_assert_eq!(scanner.at_boundary(), ends.contains(&end));
                read = end;
                if read == bytes.len() {
                    break;
                }
            }
            prop_assert_eq!(scanner.has_closed(), frames.iter().any(|(opcode, ..)| *opcode == CLOSE));
        }
    }
}
