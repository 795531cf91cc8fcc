//! A case played against a server: what a client sees, and what it is to see.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::frames::{ACK, DATA, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, frame};
use crate::support::STUCK_AFTER;

/// What a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Headers { stream: u32, ends: bool },
    Data { stream: u32, length: usize, ends: bool },
    Reset { stream: u32, error: u32 },
    GoAway { error: u32 },
    Pong([u8; 8]),
    SettingsAck,
    Closed,
}

/// What a case is to lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// The connection goes on.
    Alive,
    /// The stream is answered to its end.
    Answered(u32),
    /// A connection error of one of these codes, or the end of the connection.
    Connection(&'static [u32]),
    /// A stream error of one of these codes, or as for a connection.
    Stream(&'static [u32]),
    /// The first frame of the answer's body has so many bytes.
    FirstData(usize),
}

impl Expected {
    pub(crate) fn is_met(self, seen: &[Seen]) -> bool {
        let is_closed = seen.last() == Some(&Seen::Closed);
        let error = seen.iter().find_map(|seen| match seen {
            Seen::GoAway { error } => Some(*error),
            _ => None,
        });
        let ended_by = |codes: &[u32]| is_closed && error.is_none_or(|error| codes.contains(&error));
        match self {
            Self::Alive => !is_closed && error.is_none(),
            Self::Answered(stream) => {
                let ends = |seen: &Seen| match seen {
                    Seen::Headers { stream: of, ends } | Seen::Data { stream: of, ends, .. } => {
                        *of == stream && *ends
                    }
                    _ => false,
                };
                !is_closed && seen.iter().any(ends)
            }
            Self::Connection(codes) => ended_by(codes),
            Self::Stream(codes) => {
                let is_reset =
                    |seen: &Seen| matches!(seen, Seen::Reset { error, .. } if codes.contains(error));
                seen.iter().any(is_reset) || ended_by(codes)
            }
            Self::FirstData(bytes) => {
                let first = seen.iter().find_map(|seen| match seen {
                    Seen::Data { length, .. } => Some(*length),
                    _ => None,
                });
                first == Some(bytes)
            }
        }
    }
}

const MARKS: [[u8; 8]; 2] = [*b"mark one", *b"mark two"];

/// Connects, sends a case's bytes and then two PINGs, one after the other, and reads until they are answered or the
/// connection ends: the answer to the first overtakes what is said of a stream, that to the second does not. Where the
/// answer to a stream is expected, the PINGs are sent behind it.
pub(crate) fn play(server: SocketAddr, bytes: &[u8], expected: Expected) -> Vec<Seen> {
    let mut socket = TcpStream::connect(server).expect("it is open");
    socket.set_read_timeout(Some(STUCK_AFTER)).expect("a socket");
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
    // The server may have closed by the time when the rest is sent.
    let _ = socket.write_all(bytes);
    let [first, second] = MARKS.map(|mark| frame(PING, 0, 0, &mark));
    let mut awaited = matches!(expected, Expected::Answered(_) | Expected::FirstData(_));
    if !awaited {
        let _ = socket.write_all(&first);
    }
    let mut seen = Vec::new();
    loop {
        let mut head = [0; 9];
        if socket.read_exact(&mut head).is_err() {
            seen.push(Seen::Closed);
            return seen;
        }
        let [high, middle, low, kind, flags, id @ ..] = head;
        let stream = u32::from_be_bytes(id);
        let mut payload = vec![0; usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)];
        if socket.read_exact(&mut payload).is_err() {
            seen.push(Seen::Closed);
            return seen;
        }
        let number = |at: usize| payload[at..at + 4].iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        let ends = flags & END_STREAM != 0;
        match kind {
            HEADERS => seen.push(Seen::Headers { stream, ends }),
            DATA => seen.push(Seen::Data { stream, length: payload.len(), ends }),
            RST_STREAM => seen.push(Seen::Reset { stream, error: number(0) }),
            GOAWAY => seen.push(Seen::GoAway { error: number(4) }),
            SETTINGS if flags & ACK != 0 => seen.push(Seen::SettingsAck),
            PING if flags & ACK != 0 && payload == MARKS[0] => {
                let _ = socket.write_all(&second);
            }
            PING if flags & ACK != 0 && payload == MARKS[1] => return seen,
            PING if flags & ACK != 0 => seen.push(Seen::Pong(payload.try_into().expect("eight bytes"))),
            _ => {}
        }
        if awaited && (expected.is_met(&seen) || matches!(seen.last(), Some(Seen::Reset { .. }))) {
            awaited = false;
            let _ = socket.write_all(&first);
        }
    }
}
