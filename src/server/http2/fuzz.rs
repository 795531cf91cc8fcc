//! What holds for any bytes of an HTTP/2 connection: the entry point of the fuzzer (`.ci/fuzz`), and the inputs that it
//! has found.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{
    frames::{Frame, FrameScanner, MAX_STREAM, with_limits},
    reader::{Read, Reader},
};

/// How many bytes of an input say where the others are cut.
const CUTS: usize = 8;
const PREFACE: usize = 24;
const HEADER: usize = 9;
const PAYLOAD: [u8; 8] = *b"graceful";

/// Checks one input: 8 lengths of the pieces that the rest is cut into, and the bytes of a connection.
pub(crate) fn check(input: &[u8]) {
    let Some((cuts, bytes)) = input.split_at_checked(CUTS) else { return };
    let mut pieces = VecDeque::new();
    let mut rest = bytes;
    for cut in cuts.iter().cycle() {
        let (piece, behind) = rest.split_at(usize::from(*cut).max(1).min(rest.len()));
        pieces.push_back(piece);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    finds_every_frame(FrameScanner::of_server(), bytes, &pieces, 0);
    finds_every_frame(FrameScanner::of_client(), bytes, &pieces, PREFACE);
    takes_out_its_own(bytes, pieces);
    adds_the_limits(bytes);
}

/// The frames that end within these bytes, and where: by the RFC, with all the bytes at hand.
fn frames(bytes: &[u8], preface: usize) -> (Vec<(Frame, usize)>, bool) {
    let (mut found, mut block, mut at) = (Vec::new(), None, preface);
    while let Some([high, middle, low, kind, flags, id @ ..]) =
        bytes.get(at..).and_then(<[u8]>::first_chunk::<HEADER>)
    {
        let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
        let Some(payload) = bytes[at + HEADER..].get(..length) else { return (found, false) };
        at += HEADER + length;
        let stream = u32::from_be_bytes(*id) & MAX_STREAM;
        let (ends_stream, ends_block) = (flags & 1 != 0, flags & 4 != 0);
        if *kind == 1 {
            block = Some((stream, ends_stream));
        }
        let frame = match (kind, payload.first_chunk()) {
            (0, _) => Frame::Data { stream, length, ends_stream },
            (1 | 9, _) if !ends_block => continue,
            (1 | 9, _) => match block.take() {
                Some((stream, ends_stream)) => Frame::Headers { stream, ends_stream },
                None => Frame::Other,
            },
            (3, _) => Frame::Reset { stream },
            (6, Some(&payload)) if length == 8 => Frame::Ping { is_ack: flags & 1 != 0, payload },
            (7, Some(&payload)) => {
                let (last_stream, error) = payload.split_at(4);
                let [last_stream, error] = [last_stream, error]
                    .map(|half| half.iter().fold(0, |all, &byte| all << 8 | u32::from(byte)));
                Frame::GoAway { last_stream: last_stream & MAX_STREAM, error }
            }
            _ => Frame::Other,
        };
        found.push((frame, at));
    }
    (found, at == bytes.len() && block.is_none())
}

fn finds_every_frame(mut scanner: FrameScanner, bytes: &[u8], pieces: &VecDeque<&[u8]>, preface: usize) {
    let (mut found, mut fed) = (Vec::new(), 0);
    for piece in pieces {
        scanner.feed(piece, |frame, end| found.push((frame, fed + end)));
        fed += piece.len();
    }
    assert_eq!((found, scanner.at_boundary()), frames(bytes, preface));
}

/// The dispatcher gets every byte but those of the first acknowledgement, and but an unfinished frame before the end.
fn takes_out_its_own(bytes: &[u8], pieces: VecDeque<&[u8]>) {
    let own = Frame::Ping { is_ack: true, payload: PAYLOAD };
    let (frames, _) = frames(bytes, PREFACE);
    let mut expected = bytes.to_vec();
    let own_end = frames.iter().find(|(frame, _)| *frame == own).map(|(_, end)| *end);
    if let Some(end) = own_end {
        expected.drain(end - HEADER - PAYLOAD.len()..end);
    }
    let (mut io, mut reader) = (Pieces(pieces), Reader::new(PAYLOAD));
    let (mut got, mut count, mut acknowledged) = (Vec::new(), 0, 0);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let mut room = [0; 300];
        let mut buf = ReadBuf::new(&mut room);
        let read = reader.poll_read(&mut io, &mut cx, &mut buf, acknowledged == 0, |_| count += 1);
        got.extend_from_slice(buf.filled());
        match read {
            Poll::Ready(Ok(Read::End)) => break,
            Poll::Ready(Ok(Read::Acknowledgement | Read::NothingButAcknowledgement)) => acknowledged += 1,
            Poll::Ready(Ok(Read::Bytes | Read::Nothing)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(acknowledged, usize::from(own_end.is_some()));
    assert!(expected.starts_with(&got) && expected.len() - got.len() < HEADER + PAYLOAD.len(), "{got:?}");
    assert_eq!(count, frames.len() - acknowledged);
}

fn adds_the_limits(bytes: &[u8]) {
    let Some((with_both, length)) = with_limits(bytes, 256) else { return };
    let (frames, is_whole) = frames(&with_both, 0);
    assert_eq!((&frames[..], is_whole), (&[(Frame::Other, length + 12)][..], true));
    assert_eq!(with_both[HEADER..length], bytes[HEADER..length]);
}

/// Gives one piece a read, and then the end.
struct Pieces<'a>(VecDeque<&'a [u8]>);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(piece) = self.0.pop_front() {
            let (now, later) = piece.split_at(piece.len().min(buf.remaining()));
            buf.put_slice(now);
            if !later.is_empty() {
                self.0.push_front(later);
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[test]
fn inputs_of_the_fuzzer() -> io::Result<()> {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/frames");
    for input in std::fs::read_dir(corpus)? {
        check(&std::fs::read(input?.path())?);
    }
    Ok(())
}
