//! Where request heads end in a stream of bytes, as far as that can be told without parsing: at empty lines. Pure.

/// Counts empty lines. A body may contain some, too: the count may be too high, which costs time, and is never too
/// little.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    last: Last,
    /// Of the piece that is being handed on: heads, and bytes.
    heads: usize,
    bytes: usize,
}

/// What the bytes ended with so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    LineFeed,
    /// A line feed and a carriage return.
    LineFeedReturn,
}

impl HeadScanner {
    /// Whether a piece has as much as may be handed on at once.
    pub(super) fn is_full(&self, heads: usize, bytes: usize) -> bool {
        self.heads >= heads || self.bytes >= bytes
    }

    pub(super) fn start_piece(&mut self) {
        (self.heads, self.bytes) = (0, 0);
    }

    /// Takes bytes into the piece, up to the end of the `most`th head of it. Returns how many heads ended in them, and
    /// how many bytes were taken.
    pub(super) fn scan(&mut self, bytes: &[u8], most: usize) -> (usize, usize) {
        let before = self.heads;
        let mut taken = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            taken += line.len();
            let ended = line.ends_with(b"\n");
            let empty = matches!(
                (self.last, line),
                (Last::LineFeed, b"\n" | b"\r\n") | (Last::LineFeedReturn, b"\n")
            );
            self.last = match (self.last, line) {
                _ if ended => Last::LineFeed,
                (Last::LineFeed, b"\r") => Last::LineFeedReturn,
                _ => Last::Other,
            };
            self.heads += usize::from(empty);
            if self.heads >= most {
                break;
            }
        }
        self.bytes += taken;
        (self.heads - before, taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 4;

    fn heads_in(bytes: &[u8]) -> usize {
        (0..bytes.len()).filter(|&at| bytes[..at].ends_with(b"\n") && bytes[at..].starts_with(b"\n")).count()
            + bytes.windows(3).filter(|window| window == b"\n\r\n").count()
    }

    proptest! {
        #[test]
        fn every_empty_line_is_counted_however_the_bytes_are_cut_and_no_piece_has_more_than_it_may(
            bytes in prop::collection::vec(prop::sample::select(b"\r\nab".to_vec()), 0..200),
            cuts in prop::collection::vec(1..30_usize, 1..20),
        ) {
            let mut scanner = HeadScanner::default();
            let (mut at, mut all, mut cuts) = (0, 0, cuts.iter().cycle());
            while at < bytes.len() {
                if scanner.is_full(MOST, usize::MAX) {
                    scanner.start_piece();
                }
                let end = bytes.len().min(at + cuts.next().expect("a cycle"));
                let (heads, taken) = scanner.scan(&bytes[at..end], MOST);
                prop_assert!(heads <= MOST && taken > 0);
                prop_assert!(taken == end - at || scanner.is_full(MOST, usize::MAX));
                prop_assert_eq!(all + heads, heads_in(&bytes[..at + taken]));
                all += heads;
                at += taken;
            }
        }
    }
}
