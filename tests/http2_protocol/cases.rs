//! The table of cases.

use super::{
    frames::{
        ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR,
        FRAME_SIZE_ERROR, GET, GOAWAY, HEADERS, PADDED, PING, POST, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE,
        RST_STREAM, SETTINGS, STREAM_CLOSED, WHOLE, WINDOW_UPDATE, WITH_PRIORITY, block, frame, get,
        get_with, post, reset, setting,
    },
    play::Expected,
};

/// The cases: name, what is sent behind the preface, and what is to become of it.
#[expect(clippy::too_many_lines, reason = "one table")]
pub(crate) fn cases() -> Vec<(&'static str, Vec<u8>, Expected)> {
    use Expected::{Alive, Answered, Connection, FirstData, Stream};
    const PROTOCOL: Expected = Connection(&[PROTOCOL_ERROR]);
    const MALFORMED: Expected = Stream(&[PROTOCOL_ERROR]);
    const SIZE: Expected = Connection(&[FRAME_SIZE_ERROR]);
    const COMPRESSION: Expected = Connection(&[COMPRESSION_ERROR]);
    const CLOSED: Expected = Stream(&[STREAM_CLOSED]);
    const CLOSED_OR_PROTOCOL: Expected = Stream(&[STREAM_CLOSED, PROTOCOL_ERROR]);
    let settings = || frame(SETTINGS, 0, 0, &[]);
    let after = |frames: &[Vec<u8>]| [settings(), frames.concat()].concat();
    // A value of 16,373 bytes.
    let too_long = [GET, &[0x00, 1, b'x', 0x7f, 0xf6, 0x7e], &[b'y'; 16_373]].concat();
    let max_block = [POST, &[0x00, 1, b'a', 0]].concat();
    vec![
        // The preface.
        ("no settings first", get(1), Connection(&[PROTOCOL_ERROR])),
        ("settings and a request", after(&[get(1)]), Answered(1)),
        ("settings are acknowledged", after(&[setting(3, 100)]), Alive),
        // Frames.
        ("an unknown frame is ignored", after(&[frame(0x20, 0xff, 1, b"unknown")]), Alive),
        ("undefined flags are ignored", after(&[frame(PING, 0xfe, 0, b"12345678")]), Alive),
        ("the reserved bit is ignored", after(&[frame(PING, 0, 1 << 31, b"12345678")]), Alive),
        (
            "a frame of the largest size",
            after(&[post(1), frame(DATA, END_STREAM, 1, &[0; 16_384])]),
            Answered(1),
        ),
        (
            "DATA larger than that",
            after(&[post(1), frame(DATA, END_STREAM, 1, &[0; 16_385])]),
            Stream(&[FRAME_SIZE_ERROR]),
        ),
        ("HEADERS larger than that", after(&[frame(HEADERS, WHOLE, 1, &too_long)]), SIZE),
        // Streams.
        ("DATA on an idle stream", after(&[frame(DATA, END_STREAM, 1, b"x")]), PROTOCOL),
        ("RST_STREAM on an idle stream", after(&[reset(1)]), PROTOCOL),
        ("WINDOW_UPDATE on an idle stream", after(&[frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 100])]), PROTOCOL),
        ("CONTINUATION on an idle stream", after(&[frame(CONTINUATION, END_HEADERS, 1, GET)]), PROTOCOL),
        ("DATA behind the end of a stream", after(&[get(1), frame(DATA, END_STREAM, 1, b"x")]), CLOSED),
        ("HEADERS behind the end of a stream", after(&[get(1), get(1)]), CLOSED_OR_PROTOCOL),
        (
            "CONTINUATION behind the end of a stream",
            after(&[get(1), frame(CONTINUATION, END_HEADERS, 1, GET)]),
            CLOSED_OR_PROTOCOL,
        ),
        ("HEADERS behind RST_STREAM", after(&[post(1), reset(1), get(1)]), CLOSED_OR_PROTOCOL),
        ("an even stream", after(&[get(2)]), PROTOCOL),
        ("a lower stream than the last one", after(&[get(5), get(3)]), CLOSED_OR_PROTOCOL),
        (
            "a stream that depends on itself",
            after(&[frame(HEADERS, WHOLE | WITH_PRIORITY, 1, &[&[0, 0, 0, 1, 16], GET].concat())]),
            MALFORMED,
        ),
        ("PRIORITY that depends on itself", after(&[frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 16])]), MALFORMED),
        ("PRIORITY on an idle stream", after(&[frame(PRIORITY, 0, 9, &[0, 0, 0, 1, 16])]), Alive),
        // DATA.
        ("DATA on the connection", after(&[frame(DATA, END_STREAM, 0, b"x")]), PROTOCOL),
        (
            "DATA with more padding than payload",
            after(&[post(1), frame(DATA, END_STREAM | PADDED, 1, &[9, b'x'])]),
            PROTOCOL,
        ),
        (
            "padded DATA",
            after(&[post(1), frame(DATA, END_STREAM | PADDED, 1, &[2, b'x', 0, 0])]),
            Answered(1),
        ),
        // HEADERS and CONTINUATION.
        (
            "another frame inside of a header block",
            after(&[frame(HEADERS, END_STREAM, 1, GET), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])]),
            PROTOCOL,
        ),
        (
            "another stream inside of a header block",
            after(&[frame(HEADERS, END_STREAM, 1, GET), get(3)]),
            PROTOCOL,
        ),
        (
            "an unknown frame inside of a header block",
            after(&[frame(HEADERS, END_STREAM, 1, GET), frame(0x20, 0, 0, b"unknown")]),
            PROTOCOL,
        ),
        ("HEADERS on the connection", after(&[frame(HEADERS, WHOLE, 0, GET)]), PROTOCOL),
        (
            "HEADERS with more padding than payload",
            after(&[frame(HEADERS, WHOLE | PADDED, 1, &[&[200], GET].concat())]),
            PROTOCOL,
        ),
        (
            "padded HEADERS with a priority",
            after(&[frame(
                HEADERS,
                WHOLE | PADDED | WITH_PRIORITY,
                1,
                &[&[3, 0, 0, 0, 0, 16], GET, &[0, 0, 0]].concat(),
            )]),
            Answered(1),
        ),
        (
            "a header block in many pieces",
            after(&[
                frame(HEADERS, END_STREAM, 1, &GET[..1]),
                frame(CONTINUATION, 0, 1, &GET[1..4]),
                frame(CONTINUATION, 0, 1, &[]),
                frame(CONTINUATION, END_HEADERS, 1, &GET[4..]),
            ]),
            Answered(1),
        ),
        (
            "CONTINUATION on the connection",
            after(&[frame(HEADERS, END_STREAM, 1, GET), frame(CONTINUATION, END_HEADERS, 0, &[])]),
            PROTOCOL,
        ),
        (
            "CONTINUATION behind a whole header block",
            after(&[post(1), frame(CONTINUATION, END_HEADERS, 1, &[])]),
            PROTOCOL,
        ),
        (
            "CONTINUATION behind DATA",
            after(&[post(1), frame(DATA, 0, 1, b"x"), frame(CONTINUATION, END_HEADERS, 1, &[])]),
            PROTOCOL,
        ),
        // PRIORITY, RST_STREAM.
        ("PRIORITY on the connection", after(&[frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 16])]), PROTOCOL),
        ("PRIORITY of four bytes", after(&[frame(PRIORITY, 0, 1, &[0; 4])]), Stream(&[FRAME_SIZE_ERROR])),
        ("RST_STREAM on the connection", after(&[reset(0)]), PROTOCOL),
        ("RST_STREAM of three bytes", after(&[post(1), frame(RST_STREAM, 0, 1, &[0; 3])]), SIZE),
        ("RST_STREAM with an unknown code", after(&[post(1), frame(RST_STREAM, 0, 1, &[0xff; 4])]), Alive),
        // SETTINGS.
        ("an acknowledgement with a payload", after(&[frame(SETTINGS, ACK, 0, &[0; 6])]), SIZE),
        ("SETTINGS on a stream", after(&[frame(SETTINGS, 0, 1, &[])]), PROTOCOL),
        ("SETTINGS of three bytes", after(&[frame(SETTINGS, 0, 0, &[0; 3])]), SIZE),
        ("ENABLE_PUSH of 2", after(&[setting(2, 2)]), PROTOCOL),
        ("a window of 2^31", after(&[setting(4, 1 << 31)]), Connection(&[FLOW_CONTROL_ERROR])),
        ("frames of 16,383 bytes", after(&[setting(5, 16_383)]), PROTOCOL),
        ("frames of 2^24 bytes", after(&[setting(5, 1 << 24)]), PROTOCOL),
        ("an unknown setting", after(&[setting(0xff, 1)]), Alive),
        // PING, GOAWAY.
        ("PING on a stream", after(&[frame(PING, 0, 1, &[0; 8])]), PROTOCOL),
        ("PING of six bytes", after(&[frame(PING, 0, 0, &[0; 6])]), SIZE),
        ("a PING is answered", after(&[frame(PING, 0, 0, b"12345678")]), Alive),
        ("an answer to no PING", after(&[frame(PING, ACK, 0, b"12345678")]), Alive),
        ("GOAWAY on a stream", after(&[frame(GOAWAY, 0, 1, &[0; 8])]), PROTOCOL),
        // Windows.
        ("WINDOW_UPDATE by nothing", after(&[frame(WINDOW_UPDATE, 0, 0, &[0; 4])]), PROTOCOL),
        (
            "WINDOW_UPDATE of a stream by nothing",
            after(&[post(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])]),
            MALFORMED,
        ),
        ("WINDOW_UPDATE of three bytes", after(&[frame(WINDOW_UPDATE, 0, 0, &[0; 3])]), SIZE),
        (
            "a window that overflows",
            after(&[frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])]),
            Connection(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "a stream's window that overflows",
            after(&[post(1), frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])]),
            Stream(&[FLOW_CONTROL_ERROR]),
        ),
        ("a window of one byte", after(&[setting(4, 1), get(1)]), FirstData(1)),
        (
            "a window of one byte that grows",
            after(&[setting(4, 1), get(1), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1, 0])]),
            Answered(1),
        ),
        (
            "a window that shrinks below nothing and grows",
            after(&[
                setting(4, 3),
                post(1),
                setting(4, 2),
                setting(4, 100),
                frame(DATA, END_STREAM, 1, b"x"),
            ]),
            Answered(1),
        ),
        // Requests.
        ("HEADERS in the middle of a body", after(&[post(1), post(1)]), MALFORMED),
        (
            "trailers",
            after(&[
                post(1),
                frame(DATA, 0, 1, b"x"),
                frame(HEADERS, WHOLE, 1, &block(&[], &[("sum", "1")])),
            ]),
            Answered(1),
        ),
        (
            "a pseudo-header in the trailers",
            after(&[post(1), frame(HEADERS, WHOLE, 1, &block(&[], &[(":path", "/")]))]),
            MALFORMED,
        ),
        ("a name in capitals", after(&[get_with(&[("X-Test", "a")])]), MALFORMED),
        ("an unknown pseudo-header", after(&[get_with(&[(":test", "a")])]), MALFORMED),
        ("a response's pseudo-header", after(&[get_with(&[(":status", "200")])]), MALFORMED),
        ("a pseudo-header behind a field", after(&[get_with(&[("x", "a"), (":path", "/")])]), MALFORMED),
        ("a field of the connection", after(&[get_with(&[("connection", "keep-alive")])]), MALFORMED),
        ("TE of another value than trailers", after(&[get_with(&[("te", "gzip")])]), MALFORMED),
        ("TE of trailers", after(&[get_with(&[("te", "trailers")])]), Answered(1)),
        (
            "an empty path",
            after(&[frame(HEADERS, WHOLE, 1, &block(&[0x82, 0x86], &[(":path", ""), (":authority", "a")]))]),
            MALFORMED,
        ),
        ("no method", after(&[frame(HEADERS, WHOLE, 1, &[0x86, 0x84, 0x41, 1, b'a'])]), MALFORMED),
        ("no scheme", after(&[frame(HEADERS, WHOLE, 1, &[0x82, 0x84, 0x41, 1, b'a'])]), MALFORMED),
        ("no path", after(&[frame(HEADERS, WHOLE, 1, &[0x82, 0x86, 0x41, 1, b'a'])]), MALFORMED),
        ("the method twice", after(&[get_with(&[(":method", "GET")])]), MALFORMED),
        ("the scheme twice", after(&[get_with(&[(":scheme", "http")])]), MALFORMED),
        ("the path twice", after(&[get_with(&[(":path", "/")])]), MALFORMED),
        (
            "a body longer than its length",
            after(&[
                frame(HEADERS, END_HEADERS, 1, &block(POST, &[("content-length", "1")])),
                frame(DATA, END_STREAM, 1, b"xx"),
            ]),
            MALFORMED,
        ),
        (
            "a body shorter than its length",
            after(&[
                frame(HEADERS, END_HEADERS, 1, &block(POST, &[("content-length", "3")])),
                frame(DATA, 0, 1, b"x"),
                frame(DATA, END_STREAM, 1, b"x"),
            ]),
            MALFORMED,
        ),
        (
            "PUSH_PROMISE of a client",
            after(&[frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], GET].concat())]),
            PROTOCOL,
        ),
        // HPACK.
        ("an index of zero", after(&[frame(HEADERS, WHOLE, 1, &[0x80])]), COMPRESSION),
        (
            "an index beyond the tables",
            after(&[frame(HEADERS, WHOLE, 1, &[GET, &[0xff, 0x00]].concat())]),
            COMPRESSION,
        ),
        (
            "a literal's index beyond the tables",
            after(&[frame(HEADERS, WHOLE, 1, &[GET, &[0x7f, 0x7f, 1, b'a']].concat())]),
            COMPRESSION,
        ),
        (
            "a change of the table's size at the end of a block",
            after(&[frame(HEADERS, WHOLE, 1, &[GET, &[0x20]].concat())]),
            COMPRESSION,
        ),
        (
            "a table larger than was agreed on",
            after(&[frame(HEADERS, WHOLE, 1, &[&[0x3f, 0xe2, 0x1f], GET].concat())]),
            COMPRESSION,
        ),
        (
            "Huffman padding of more than seven bits",
            after(&[frame(HEADERS, WHOLE, 1, &[GET, &[0x00, 1, b'a', 0x82, 0x1f, 0xff]].concat())]),
            COMPRESSION,
        ),
        (
            "Huffman padding of zeros",
            after(&[frame(HEADERS, WHOLE, 1, &[GET, &[0x00, 1, b'a', 0x81, 0x18]].concat())]),
            COMPRESSION,
        ),
        (
            "the end of strings inside of one",
            after(&[frame(
                HEADERS,
                WHOLE,
                1,
                &[GET, &[0x00, 1, b'a', 0x84, 0xff, 0xff, 0xff, 0xff]].concat(),
            )]),
            COMPRESSION,
        ),
        (
            "a string beyond the block",
            after(&[frame(HEADERS, WHOLE, 1, &[GET, &[0x00, 0x7e, b'a']].concat())]),
            COMPRESSION,
        ),
        ("an empty value", after(&[frame(HEADERS, WHOLE, 1, &max_block)]), Answered(1)),
    ]
}

/// Where the h2 crate, and so either server, answers by `PROTOCOL_ERROR` in place of a code of its own, or is more lenient
/// than the RFC: it does without SETTINGS, takes a GOAWAY on a stream for one on the connection, and passes over trailers
/// that it does not read.
pub(crate) const LENIENT: &[&str] = &[
    "no settings first",
    "DATA behind the end of a stream",
    "PRIORITY of four bytes",
    "RST_STREAM of three bytes",
    "an acknowledgement with a payload",
    "SETTINGS of three bytes",
    "a window of 2^31",
    "PING of six bytes",
    "GOAWAY on a stream",
    "WINDOW_UPDATE of three bytes",
    "a pseudo-header in the trailers",
    "an index of zero",
    "an index beyond the tables",
    "a literal's index beyond the tables",
    "a change of the table's size at the end of a block",
    "a table larger than was agreed on",
    "Huffman padding of more than seven bits",
    "Huffman padding of zeros",
    "the end of strings inside of one",
    "a string beyond the block",
];
