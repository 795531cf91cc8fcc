//! A limit for the frames of a WebSocket: actix-ws keeps a frame of any length, and finds it too long when it is whole.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

/// The longest frame, and the longest message, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// The longest header: two bytes, a length of eight and a mask of four.
const HEADER: usize = 14;

/// What a client sends on a WebSocket. It fails behind the header of a frame that is too long.
pub(super) struct FrameLimit {
    inner: Payload,
    header: [u8; HEADER],
    header_read: usize,
    payload_left: usize,
    is_too_long: bool,
}

impl FrameLimit {
    /// Limits what comes from `inner`.
    pub(super) fn limit(inner: Payload) -> Payload {
        let limited =
            Self { inner, header: [0; HEADER], header_read: 0, payload_left: 0, is_too_long: false };
        Payload::Stream { payload: Box::pin(limited) }
    }

    fn scan(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.payload_left > 0 {
                let skipped = bytes.len().min(self.payload_left);
                self.payload_left -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            self.header[self.header_read] = byte;
            self.header_read += 1;
            bytes = rest;
            if let Some(length) = self.length() {
                self.header_read = 0;
                self.payload_left = length;
                self.is_too_long |= length > LONGEST;
            }
        }
    }

    /// The length of the payload, once its header is whole.
    fn length(&self) -> Option<usize> {
        let [_, second, extended @ ..] = self.header;
        let length_bytes = match second & 0x7f {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        let mask_bytes = if second & 0x80 == 0 { 0 } else { 4 };
        if self.header_read < 2 + length_bytes + mask_bytes {
            return None;
        }
        Some(match length_bytes {
            0 => usize::from(second & 0x7f),
            _ => extended[..length_bytes]
                .iter()
                .fold(0_usize, |length, &byte| length.saturating_mul(256).saturating_add(byte.into())),
        })
    }
}

impl Stream for FrameLimit {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_too_long {
            return Poll::Ready(Some(Err(PayloadError::Overflow)));
        }
        let next = Pin::new(&mut self.inner).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.scan(bytes);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether these frames are too long, in pieces of so many bytes.
    fn is_too_long(frames: &[u8], piece: usize) -> bool {
        let mut limit = FrameLimit {
            inner: Payload::None,
            header: [0; HEADER],
            header_read: 0,
            payload_left: 0,
            is_too_long: false,
        };
        frames.chunks(piece).for_each(|bytes| limit.scan(bytes));
        limit.is_too_long
    }

    #[test]
    fn a_frame_is_too_long_as_soon_as_its_header_says_so() {
        let longest = u64::try_from(LONGEST).expect("a length");
        let header = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[1; 4]].concat();
        let within = [
            &[0x82, 0x80, 1, 1, 1, 1][..],
            &[0x82, 0x81, 1, 1, 1, 1, 0xff],
            &[0x82, 0xfe, 0, 3, 1, 1, 1, 1, 0xff, 0xff, 0xff],
            &[0x82, 0x03, 0xff, 0xff, 0xff],
            &header(longest),
            &vec![0xff; LONGEST],
        ]
        .concat();
        for piece in [1, 2, 3, 7, 1000, usize::MAX] {
            assert!(!is_too_long(&within, piece), "{piece}");
            for length in [longest + 1, 1 << 31, u64::MAX] {
                assert!(is_too_long(&[&within[..], &header(length)].concat(), piece), "{length}, {piece}");
            }
        }
    }
}
