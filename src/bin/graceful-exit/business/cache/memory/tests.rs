//! What the cache keeps in memory: snapshots, groups and limits, also by property tests.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const NO_LIMITS: Limits = Limits { entries: usize::MAX, bytes: usize::MAX };

fn put(memory: &mut Memory, key: &str, value: &'static str) -> Result<Accepted, PutError> {
    memory.put(key.into(), Bytes::from_static(value.as_bytes()), NO_LIMITS)
}

fn spool(memory: &mut Memory) {
    if memory.take().is_some() {
        memory.spooled();
    }
}

#[test]
fn the_newest_value_is_read_in_every_generation() {
    let mut memory = Memory::default();
    put(&mut memory, "a", "1").unwrap();
    spool(&mut memory);
    memory.begin_storing();
    put(&mut memory, "a", "2").unwrap();
    assert_eq!((memory.get("a").unwrap(), memory.unsaved), (&Bytes::from("2"), 1));
    spool(&mut memory);
    put(&mut memory, "a", "3").unwrap();
    memory.take();
    put(&mut memory, "a", "4").unwrap();
    put(&mut memory, "b", "1").unwrap();
    assert_eq!(memory.unsaved, 2, "a key that is at risk counts once");
    assert_eq!(memory.get("a").unwrap(), "4");
    memory.untake();
    memory.not_stored();
    assert_eq!((memory.get("a").unwrap(), memory.unsaved), (&Bytes::from("4"), 2));
    spool(&mut memory);
    assert_eq!(memory.unsaved, 0);
    assert_eq!(memory.begin_storing().writes()["a"], "4");
    put(&mut memory, "b", "2").unwrap();
    memory.stored();
    assert_eq!((memory.get("a"), memory.get("b").unwrap()), (None, &Bytes::from("2")));
    assert_eq!(memory.unsaved, 1, "what was put meanwhile stays dirty");
}

#[test]
fn a_write_that_was_replaced_while_the_store_got_the_one_before_is_still_unsaved() {
    let mut memory = Memory::default();
    put(&mut memory, "a", "1").unwrap();
    put(&mut memory, "b", "1").unwrap();
    let copied = memory.copy_of_dirty();
    put(&mut memory, "a", "2").unwrap();
    memory.stored_past_the_spool(&copied);
    assert_eq!((memory.unsaved, memory.get("a"), memory.get("b")), (1, Some(&Bytes::from("2")), None));
}

#[test]
fn from_the_checkpoint_on_a_write_needs_the_spool_and_from_the_exits_flush_on_it_is_refused() {
    let mut memory = Memory::default();
    assert!(!put(&mut memory, "a", "1").unwrap().needs_spool);
    memory.write_through();
    assert!(put(&mut memory, "a", "2").unwrap().needs_spool);
    memory.close();
    assert!(matches!(put(&mut memory, "a", "3"), Err(PutError::Closed)));
    memory.write_through();
    assert!(matches!(put(&mut memory, "a", "3"), Err(PutError::Closed)));
    assert_eq!(memory.get("a").unwrap(), "2");
}

#[test]
fn above_its_limits_a_flush_is_due_and_above_twice_of_them_a_write_is_refused() {
    let by_entries = Limits { entries: 2, bytes: usize::MAX };
    let by_bytes = Limits { entries: usize::MAX, bytes: 6 };
    for limits in [by_entries, by_bytes] {
        let mut memory = Memory::default();
        // Each has three bytes, and what is spooled still counts.
        for (key, is_flush_due) in [("a", false), ("b", false), ("c", true), ("d", true)] {
            let accepted = memory.put(key.into(), Bytes::from("22"), limits).unwrap();
            assert_eq!(accepted.is_flush_due, is_flush_due, "{key}: {limits:?}");
            spool(&mut memory);
        }
        assert!(matches!(memory.put("e".into(), Bytes::from("22"), limits), Err(PutError::Full)));
        memory.begin_storing();
        assert!(matches!(memory.put("e".into(), Bytes::from("22"), limits), Err(PutError::Full)));
        memory.stored();
        assert!(!memory.put("e".into(), Bytes::from("22"), limits).unwrap().is_flush_due);
    }
}

#[test]
fn the_bytes_of_a_write_are_those_of_its_key_and_its_value() {
    let limits = Limits { entries: usize::MAX, bytes: 10 };
    let mut memory = Memory::default();
    assert!(!memory.put("abc".into(), Bytes::from("1234567"), limits).unwrap().is_flush_due);
    assert!(memory.put("d".into(), Bytes::new(), limits).unwrap().is_flush_due);
}

/// What may happen to the memory, in any order that the spooler and the flush keep.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u8, u8),
    Take,
    Spooled,
    Untake,
    BeginStoring,
    Stored,
    NotStored,
    StoredPastTheSpool,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        1 => Just(Step::Take),
        1 => Just(Step::Spooled),
        1 => Just(Step::Untake),
        1 => Just(Step::BeginStoring),
        1 => Just(Step::Stored),
        1 => Just(Step::NotStored),
        1 => Just(Step::StoredPastTheSpool),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_no_write_is_forgotten_and_all_counts_are_right(
        steps in proptest::collection::vec(step(), 0..60)
    ) {
        let mut memory = Memory::default();
        let (mut put, mut store) = (BTreeMap::new(), BTreeMap::new());
        let (mut is_taken, mut is_storing) = (false, false);
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    let (key, value) = (key.to_string(), Bytes::from(value.to_string()));
                    memory.put(key.clone(), value.clone(), NO_LIMITS).unwrap();
                    put.insert(key, value);
                }
                Step::Take if !is_taken => is_taken = memory.take().is_some(),
                Step::Spooled if is_taken => {
                    memory.spooled();
                    is_taken = false;
                }
                Step::Untake if is_taken => {
                    memory.untake();
                    is_taken = false;
                }
                Step::BeginStoring if !is_storing => {
                    memory.begin_storing();
                    is_storing = true;
                }
                Step::Stored if is_storing => {
                    store.extend(memory.storing.writes.clone());
                    memory.stored();
                    is_storing = false;
                }
                Step::NotStored if is_storing => {
                    memory.not_stored();
                    is_storing = false;
                }
                // Only while no spool is on the disk, which is when nothing is spooled.
                Step::StoredPastTheSpool if !is_taken && !is_storing && memory.is_spool_outdated() => {
                    let dirty = memory.copy_of_dirty();
                    memory.stored_past_the_spool(&dirty);
                    store.extend(dirty);
                }
                _ => {}
            }
            for (key, value) in &put {
                prop_assert_eq!(memory.get(key).or_else(|| store.get(key)), Some(value));
            }
            let at_risk: Writes =
                [&memory.dirty, &*memory.taken].into_iter().flat_map(|of| of.writes.clone()).collect();
            prop_assert_eq!(memory.unsaved, at_risk.len());
            let bytes = [&memory.dirty, &*memory.taken, &memory.spooled, &*memory.storing].map(|of| {
                let bytes: usize = of.writes.iter().map(|(key, value)| key.len() + value.len()).sum();
                assert_eq!(of.bytes, bytes);
                bytes
            });
            prop_assert_eq!(memory.size().1, bytes.iter().sum::<usize>());
        }
    }
}
