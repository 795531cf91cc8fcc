//! Where request heads end in a stream of bytes, as far as that can be told without parsing: at empty lines. Pure.

/// Counts empty lines: line feeds that another one follows, or a carriage return. A body may contain some, too: the
/// count may be too high, which costs time, and is never too little.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    /// The last byte was a line feed.
    after_feed: bool,
    /// Of the piece that is being handed on: heads, and bytes.
    heads: usize,
    bytes: usize,
}

impl HeadScanner {
    /// Whether a piece has as much as may be handed on at once.
    pub(super) fn is_full(&self, heads: usize, bytes: usize) -> bool {
        self.heads >= heads || self.bytes >= bytes
    }

    pub(super) fn start_piece(&mut self) {
        (self.heads, self.bytes) = (0, 0);
    }

    /// Takes bytes into the piece, which is not full, up to the end of the `most`th head of it. Returns how many heads
    /// ended in them, and how many bytes were taken. Bytes that are too few for so many heads are not looked at, and
    /// count as the shortest heads.
    pub(super) fn scan(&mut self, bytes: &[u8], most: usize) -> (usize, usize) {
        let Some((&first, &last)) = bytes.first().zip(bytes.last()) else { return (0, 0) };
        let shortest = bytes.len() / SHORTEST_HEAD + 1;
        if self.heads + shortest <= most {
            self.after_feed = last == b'\n';
            self.heads += shortest;
            self.bytes += bytes.len();
            return (shortest, bytes.len());
        }
        let split = usize::from(ends_head(if self.after_feed { b'\n' } else { 0 }, first));
        let mut heads = split + heads_in(bytes);
        let mut taken = bytes.len();
        if self.heads + heads < most {
            self.after_feed = last == b'\n';
        } else {
            heads = most - self.heads;
            taken = end_of(bytes, heads - split);
            // What follows belongs to another head.
            self.after_feed = false;
        }
        self.heads += heads;
        self.bytes += taken;
        (heads, taken)
    }
}

/// The length of `A / HTTP/1.1` and two line feeds.
const SHORTEST_HEAD: usize = 14;

/// Whether a head may end where one byte follows another.
const fn ends_head(byte: u8, next: u8) -> bool {
    byte == b'\n' && (next == b'\n' || next == b'\r')
}

/// Counts in pieces whose count fits into a byte, so that the compiler makes vectors of them.
fn heads_in(bytes: &[u8]) -> usize {
    let pieces = bytes.chunks(64).zip(bytes[1..].chunks(64));
    let count = |(bytes, next): (&[u8], &[u8])| -> usize {
        bytes.iter().zip(next).map(|(&byte, &next)| u8::from(ends_head(byte, next))).sum::<u8>().into()
    };
    pieces.map(count).sum()
}

/// Where the `nth` head ends, of those that begin to end in `bytes`; the one before them, if `nth` is zero, with the
/// first byte.
fn end_of(bytes: &[u8], nth: usize) -> usize {
    let mut ends = (1..bytes.len()).filter(|&at| ends_head(bytes[at - 1], bytes[at]));
    let at = nth.checked_sub(1).and_then(|nth| ends.nth(nth)).unwrap_or(0);
    // With the line feed behind a carriage return.
    at + 1 + usize::from(bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 4;
    const HEADS: [&[u8]; 4] = [
        b"A / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\r\n",
        b"GET /path HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a-client\r\nAccept: */*\r\n\r\n",
    ];

    #[test]
    fn a_piece_is_full_with_so_many_bytes_whether_they_were_looked_at_or_not() {
        let mut scanner = HeadScanner::default();
        let mut bytes = 0;
        // Too few for so many heads, and enough.
        for piece in [20, 1000] {
            scanner.scan(&vec![b'x'; piece], MOST);
            bytes += piece;
            assert!(scanner.is_full(usize::MAX, bytes) && !scanner.is_full(usize::MAX, bytes + 1), "{bytes}");
        }
    }

    #[test]
    fn a_piece_ends_with_the_last_head_that_it_may_have() {
        let head = HEADS[0];
        let mut scanner = HeadScanner::default();
        let heads = [&head.repeat(MOST)[..], b"A"].concat();
        assert_eq!(scanner.scan(&heads, MOST), (MOST, MOST * head.len()));
        // A head may end across two readings, of which the first is not looked at and counts as one.
        let mut scanner = HeadScanner::default();
        assert_eq!(scanner.scan(&head[..head.len() - 1], MOST), (1, head.len() - 1));
        let rest = [&head[head.len() - 1..], &head.repeat(MOST)].concat();
        assert_eq!(scanner.scan(&rest, MOST), (MOST - 1, 1 + (MOST - 2) * head.len()));
        // Each byte for itself may be the last one of a head.
        let mut scanner = HeadScanner::default();
        assert!((0..MOST).all(|_| scanner.scan(b"\n", MOST) == (1, 1)) && scanner.is_full(MOST, usize::MAX));
    }

    proptest! {
        #[test]
        fn no_piece_ends_more_heads_than_it_may_however_the_bytes_are_cut(
            heads in prop::collection::vec(prop::sample::select(&HEADS[..]), 1..40),
            cuts in prop::collection::vec(1..300_usize, 1..20),
        ) {
            let bytes = heads.concat();
            let mut end = 0;
            let mut ends = Vec::new();
            for head in &heads {
                end += head.len();
                // An empty line counts where its first byte is.
                ends.push(end - usize::from(head.ends_with(b"\r\n")));
            }
            let mut scanner = HeadScanner::default();
            let (mut at, mut piece, mut cuts) = (0, 0, cuts.iter().cycle());
            while at < bytes.len() {
                if scanner.is_full(MOST, usize::MAX) {
                    scanner.start_piece();
                    piece = at;
                }
                let end = bytes.len().min(at + cuts.next().expect("a cycle"));
                let (_, taken) = scanner.scan(&bytes[at..end], MOST);
                prop_assert!(taken > 0);
                prop_assert!(taken == end - at || scanner.is_full(MOST, usize::MAX));
                at += taken;
                let ended = ends.iter().filter(|&&end| piece < end && end <= at).count();
                prop_assert!(ended <= MOST, "{ended} heads in {piece}..{at}");
            }
        }
    }
}
