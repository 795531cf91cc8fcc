//! Frames are found wherever the bytes are cut.

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
    let is_too_large = |(padded, priority): (bool, bool), in_headers: usize, excess: usize, cut: usize| {
        let mut payload = Vec::new();
        payload.extend(padded.then_some(PADDING));
        payload.extend(priority.then_some([FIELD; 5]).into_iter().flatten());
        payload.extend(vec![FIELD; in_headers]);
        payload.extend(padded.then_some([FIELD; PADDING as usize]).into_iter().flatten());
        let rest = vec![FIELD; fields::MAX_FIELDS + excess - in_headers];
        let flags = if padded { code::PADDED } else { 0 } | if priority { code::PRIORITY } else { 0 };
        let bytes = [
            // Another head, which does not count for this one.
            frame(code::HEADERS, code::END_HEADERS, 1, &[FIELD; 10]),
            if rest.is_empty() {
                frame(code::HEADERS, flags | code::END_HEADERS, 3, &payload)
            } else {
                // With a flag that a CONTINUATION does not have.
                let continuation = frame(code::CONTINUATION, code::END_HEADERS | code::PADDED, 3, &rest);
                [frame(code::HEADERS, flags, 3, &payload), continuation].concat()
            },
            frame(code::DATA, code::PADDED, 3, &[FIELD; 20]),
            frame(code::PING, 0, 0, &[FIELD; 8]),
        ]
        .concat();
        let mut scanner = FrameScanner::of_client();
        scan(&mut scanner, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        bytes.chunks(cut).for_each(|chunk| drop(scan(&mut scanner, chunk)));
        scanner.head_is_too_large()
    };
    for flags in [(false, false), (false, true), (true, false), (true, true)] {
        for (excess, cut) in (0..2).flat_map(|excess| (1..40).chain([1_000]).map(move |cut| (excess, cut))) {
            for in_headers in [40, fields::MAX_FIELDS + excess] {
                let found = is_too_large(flags, in_headers, excess, cut);
                assert_eq!(found, excess > 0, "{flags:?} {in_headers} {excess} {cut}");
            }
        }
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
    for other in [&settings[..settings.len() - 1], &frame(code::SETTINGS, 1, 0, b""), &ping([0; 8]), b""] {
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
