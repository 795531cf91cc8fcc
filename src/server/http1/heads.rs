//! Where request heads end in a stream of bytes, as far as that can be told without parsing: at empty lines. Pure.

/// Counts empty lines: line feeds that another one follows, or a carriage return. A body may contain some, too: the
/// count may be too high, which costs time, and is never too little.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    tail: Tail,
    /// Of the piece that is being handed on: heads, and bytes.
    heads: usize,
    bytes: usize,
}

/// What the bytes that were handed on end with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tail {
    /// An empty line, or there were none.
    #[default]
    EmptyLine,
    /// A line feed.
    Feed,
    /// A line feed and a carriage return.
    Return,
    Other,
}

impl Tail {
    fn after(self, bytes: &[u8]) -> Self {
        // Three bytes decide.
        let (start, last) = match bytes.len().checked_sub(3) {
            Some(from) => (Self::Other, &bytes[from..]),
            None => (self, bytes),
        };
        last.iter().fold(start, |tail, byte| match (tail, byte) {
            (Self::Other, b'\n') => Self::Feed,
            (_, b'\n') => Self::EmptyLine,
            (Self::Feed | Self::EmptyLine, b'\r') => Self::Return,
            _ => Self::Other,
        })
    }
}

impl HeadScanner {
    /// Whether a piece has as much as may be handed on at once.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.bytes >= bytes
    }

    pub(super) fn start_piece(&mut self) {
        (self.heads, self.bytes) = (0, 0);
    }

    /// Takes bytes into the piece, up to the end of the `most`th head of it if another one ends in them. Returns how many
    /// were taken: none, if the piece has so many heads already.
    pub(super) fn scan(&mut self, bytes: &[u8], most: usize) -> usize {
        let Some(&first) = bytes.first().filter(|_| self.heads < most) else { return 0 };
        let after_feed = matches!(self.tail, Tail::Feed | Tail::EmptyLine);
        let split = usize::from(ends_head(if after_feed { b'\n' } else { 0 }, first));
        let tail = self.tail.after(bytes);
        let heads = split + ends(bytes).count();
        let left = most - self.heads;
        let taken = if heads <= left { bytes.len() } else { end_of(bytes, left - split) };
        self.heads += heads.min(left);
        self.bytes += taken;
        self.tail = if taken == bytes.len() { tail } else { self.tail.after(&bytes[..taken]) };
        taken
    }

    /// True if what was handed on ends with a head, as far as it has heads and no bodies.
    pub(super) fn ends_with_head(&self) -> bool {
        self.tail == Tail::EmptyLine
    }
}

/// Whether a head may end where one byte follows another.
const fn ends_head(byte: u8, next: u8) -> bool {
    byte == b'\n' && (next == b'\n' || next == b'\r')
}

/// Where heads may end in the bytes but with their first one.
fn ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let feeds = memchr::memchr_iter(b'\n', &bytes[..bytes.len() - 1]);
    feeds.map(|at| at + 1).filter(|&at| ends_head(bytes[at - 1], bytes[at]))
}

/// Where the `nth` head ends, of those that begin to end in `bytes`; the one before them, if `nth` is zero, with the
/// first byte.
fn end_of(bytes: &[u8], nth: usize) -> usize {
    let at = nth.checked_sub(1).and_then(|nth| ends(bytes).nth(nth)).unwrap_or(0);
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
    fn a_piece_is_full_with_so_many_bytes() {
        let mut scanner = HeadScanner::default();
        assert_eq!(scanner.scan(&[b'x'; 20], MOST), 20);
        assert!(scanner.is_full(20) && !scanner.is_full(21));
        scanner.start_piece();
        assert!(!scanner.is_full(1));
    }

    #[test]
    fn a_piece_ends_with_the_last_head_that_it_may_have() {
        let head = HEADS[0];
        let mut scanner = HeadScanner::default();
        // What follows the last head may be its body.
        let with_body = [&head.repeat(MOST)[..], b"body"].concat();
        assert_eq!(scanner.scan(&with_body, MOST), with_body.len());
        assert_eq!(scanner.scan(b"more", MOST), 0);
        let mut scanner = HeadScanner::default();
        assert_eq!(scanner.scan(&head.repeat(MOST + 1), MOST), MOST * head.len());
        // A head may end across two readings.
        let mut scanner = HeadScanner::default();
        assert_eq!(scanner.scan(&head[..head.len() - 1], MOST), head.len() - 1);
        let rest = [&head[head.len() - 1..], &head.repeat(MOST)].concat();
        assert_eq!(scanner.scan(&rest, MOST), 1 + (MOST - 1) * head.len());
    }

    proptest! {
        #[test]
        fn no_piece_ends_more_heads_than_it_may_however_the_bytes_are_cut(
            heads in prop::collection::vec(prop::sample::select(&HEADS[..]), 1..40),
            cuts in prop::collection::vec(1..300_usize, 1..20),
            most in 1..=MOST,
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
                let end = bytes.len().min(at + cuts.next().expect("a cycle"));
                let taken = scanner.scan(&bytes[at..end], most);
                if taken == 0 {
                    prop_assert!(at > piece, "a new piece takes some");
                    scanner.start_piece();
                    piece = at;
                }
                at += taken;
                let ended = ends.iter().filter(|&&end| piece < end && end <= at).count();
                prop_assert!(ended <= most, "{ended} heads in {piece}..{at}");
            }
        }

        #[test]
        fn it_is_known_whether_the_bytes_end_with_an_empty_line_however_they_are_cut(
            bytes in prop::collection::vec(prop::sample::select(&b"\r\nx"[..]), 0..12),
            cut in 1..5_usize,
        ) {
            let mut scanner = HeadScanner::default();
            for piece in bytes.chunks(cut) {
                scanner.scan(piece, usize::MAX);
            }
            // Before the first byte is the beginning of a line.
            let lines = [b"\n", &bytes[..]].concat();
            let is_at_end = lines.ends_with(b"\n\n") || lines.ends_with(b"\n\r\n") || bytes.is_empty();
            prop_assert_eq!(scanner.ends_with_head(), is_at_end, "{:?}", bytes);
        }
    }
}
