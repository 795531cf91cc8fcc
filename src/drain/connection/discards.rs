//! How much of one HTTP/2 connection is read of bodies that the application does not want: [`Discards`].

/// The bodies of a connection that are read and discarded, to be able to end their streams in order.
#[derive(Debug, Default)]
pub(super) struct Discards {
    bodies: usize,
    /// What has been read since there were none.
    bytes: usize,
}

/// At most so many at a time: each holds a stream, of which a client may have no more than so many.
const BODIES: usize = 32;
/// What is read of all of them; of a closing connection of HTTP/1 it is as much.
const BYTES: usize = 64 << 20;
/// What a piece takes beside its bytes: an empty one counts as well.
const FRAME_HEADER: usize = 9;

impl Discards {
    /// Returns true if one more body is read.
    pub(super) fn begin(&mut self) -> bool {
        if self.bodies == 0 {
            self.bytes = 0;
        }
        let begins = self.bodies < BODIES;
        self.bodies += usize::from(begins);
        begins
    }

    /// A piece has been read. Returns true if another one is.
    pub(super) fn read(&mut self, length: usize) -> bool {
        self.bytes = self.bytes.saturating_add(length.saturating_add(FRAME_HEADER));
        self.bytes <= BYTES
    }

    /// One of them is not read any more.
    pub(super) fn end(&mut self) {
        self.bodies = self.bodies.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_bodies_are_read_at_a_time() {
        let mut discards = Discards::default();
        for _ in 0..BODIES {
            assert!(discards.begin());
        }
        assert!(!discards.begin());
        discards.end();
        assert!(discards.begin());
        assert!(!discards.begin());
    }

    #[test]
    fn only_so_much_is_read_of_all_of_them_until_none_is_left() {
        let mut discards = Discards::default();
        let piece = 16 << 10;
        assert!(discards.begin() && discards.begin());
        let read = (0..BYTES).take_while(|_| discards.read(piece)).count();
        assert_eq!(read, BYTES / (piece + FRAME_HEADER));
        discards.end();
        assert!(discards.begin() && !discards.read(0), "another one is left");
        discards.end();
        discards.end();
        assert!(discards.begin() && discards.read(piece));
    }

    #[test]
    fn empty_pieces_are_not_read_without_end() {
        let mut discards = Discards::default();
        assert!(discards.begin());
        assert_eq!((0..BYTES).take_while(|_| discards.read(0)).count(), BYTES / FRAME_HEADER);
    }
}
