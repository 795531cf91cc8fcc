//! What the store does not have yet, in memory. Nothing here waits, and everything is total.

use bytes::Bytes;

use crate::business::store::Writes;

/// Three generations of writes, newest first. A write moves down as it becomes safer and is
/// forgotten when the store has it, so memory holds what is not stored and nothing else.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Put since the last flush took its snapshot.
    fresh: Writes,
    /// In a flush's snapshot, and not known to be safe.
    taken: Writes,
    /// In the spool.
    spooled: Writes,
    /// How many keys `fresh` and `taken` have between them: what a kill would lose.
    unsaved: usize,
    /// Set by the exit's snapshot: what came after it would never be flushed.
    closed: bool,
}

/// What a flush has to bring into the store.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// All that is not stored, what was spooled before included.
    pub(super) writes: Writes,
    /// Whether some of it is not in the spool.
    pub(super) unspooled: bool,
}

impl Memory {
    /// Takes a write, or says `false` once the exit has taken its snapshot.
    pub(super) fn put(&mut self, key: String, value: Bytes) -> bool {
        if self.closed {
            return false;
        }
        let known = self.taken.contains_key(&key);
        let replaced = self.fresh.insert(key, value).is_some();
        self.unsaved += usize::from(!known && !replaced);
        true
    }

    pub(super) fn get(&self, key: &str) -> Option<&Bytes> {
        [&self.fresh, &self.taken, &self.spooled].into_iter().find_map(|writes| writes.get(key))
    }

    /// Takes the snapshot, and with `close` ends [`Memory::put`] in the same step. What an earlier
    /// flush took and could not make safe is part of it.
    pub(super) fn take(&mut self, close: bool) -> Snapshot {
        self.closed |= close;
        self.taken.append(&mut self.fresh);
        let mut writes = self.spooled.clone();
        writes.extend(self.taken.clone());
        Snapshot { writes, unspooled: !self.taken.is_empty() }
    }

    /// The snapshot is in the spool.
    pub(super) fn spooled(&mut self) {
        self.spooled.append(&mut self.taken);
        self.unsaved = self.fresh.len();
    }

    /// The snapshot is in the store.
    pub(super) fn stored(&mut self) {
        self.taken.clear();
        self.spooled.clear();
        self.unsaved = self.fresh.len();
    }

    /// How many keys a kill would lose.
    pub(super) fn unsaved(&self) -> usize {
        self.unsaved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(memory: &mut Memory, key: &str, value: &'static str) -> bool {
        memory.put(key.into(), Bytes::from_static(value.as_bytes()))
    }

    #[test]
    fn the_newest_value_is_read_and_taken_in_every_generation() {
        let mut memory = Memory::default();
        for value in ["1", "2", "3"] {
            assert!(put(&mut memory, "a", value));
            assert_eq!(memory.unsaved(), 1);
            assert_eq!(memory.get("a").unwrap(), value);
            let snapshot = memory.take(false);
            assert!(snapshot.unspooled);
            assert_eq!(snapshot.writes["a"], value);
            assert_eq!(memory.unsaved(), 1);
        }
        put(&mut memory, "a", "4");
        assert_eq!(memory.unsaved(), 1, "one key is at risk, however often it was put");
        put(&mut memory, "b", "1");
        memory.spooled();
        assert_eq!(memory.unsaved(), 2);
        memory.take(false);
        memory.spooled();
        assert_eq!(memory.unsaved(), 0);
        let snapshot = memory.take(false);
        assert!(!snapshot.unspooled);
        assert_eq!((&snapshot.writes["a"][..], snapshot.writes.len()), (&b"4"[..], 2));
        put(&mut memory, "b", "2");
        memory.stored();
        assert_eq!(memory.get("a"), None);
        assert_eq!(memory.get("b").unwrap(), "2");
        assert_eq!(memory.unsaved(), 1, "what is put after the snapshot stays dirty");
    }

    #[test]
    fn nothing_is_taken_in_after_the_exits_snapshot() {
        let mut memory = Memory::default();
        memory.take(true);
        assert!(!put(&mut memory, "a", "1"));
        memory.take(false);
        assert!(!put(&mut memory, "a", "1"));
        assert_eq!((memory.unsaved(), memory.get("a")), (0, None));
    }
}
