//! The spool's format: what is written is read back, and every damage is found.

use proptest::prelude::*;

use super::{super::fuzz::with_right_checksums, *};

fn encoded(groups: &[Writes]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut groups = groups.iter();
    let mut end = begin(groups.next().unwrap(), &mut file).unwrap();
    for group in groups {
        end = append(end, group, &mut file).unwrap();
    }
    assert_eq!(end.length, file.len() as u64);
    assert_eq!(decode(file.clone().into()).unwrap().1, end, "what is read can be appended to");
    file
}

fn decoded(file: &[u8]) -> Result<Writes, Damage> {
    let (writes, end) = decode(Bytes::copy_from_slice(file))?;
    assert!(end.length <= file.len() as u64);
    Ok(writes)
}

fn writes(pairs: &[(&str, &'static [u8])]) -> Writes {
    pairs.iter().map(|&(key, value)| (key.to_owned(), Bytes::from_static(value))).collect()
}

fn sample() -> [Writes; 3] {
    [
        writes(&[("a", b"1"), ("empty", b""), ("\u{7f13}\u{5b58}", b"\0\xff")]),
        writes(&[("a", b"2"), ("b", b"1")]),
        writes(&[("a", b"3")]),
    ]
}

#[test]
fn later_groups_win() {
    let expected = writes(&[("a", b"3"), ("b", b"1"), ("empty", b""), ("\u{7f13}\u{5b58}", b"\0\xff")]);
    assert_eq!(decoded(&encoded(&sample())), Ok(expected));
}

#[test]
fn its_length_is_known_before_it_is_written() {
    for group in sample() {
        let bytes = group.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert_eq!(length(group.len(), bytes), encoded(&[group]).len() as u64);
    }
}

#[test]
fn every_changed_byte_is_found() {
    let whole = encoded(&sample());
    for at in 0..whole.len() {
        for flip in 1..=u8::MAX {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            assert!(decoded(&damaged).is_err(), "byte {at} ^ {flip:#x}");
        }
    }
}

#[test]
fn a_file_cut_within_its_first_group_is_refused() {
    let whole = encoded(&sample()[..1]);
    for length in 0..whole.len() {
        let expected = if length < HEADER.len() { Damage::NotASpool } else { Damage::CutOff };
        let damage = decoded(&whole[..length]).unwrap_err();
        assert!(
            damage == expected || damage == Damage::UnknownVersion && length < HEADER.len(),
            "cut to {length}: {damage:?}"
        );
    }
}

/// A kill leaves any part of the group that was being appended, and nothing of it was acknowledged.
#[test]
fn a_file_cut_within_an_appended_group_has_all_groups_before_it() {
    let groups = sample();
    let ends = [1, 2, 3].map(|count| encoded(&groups[..count]).len());
    let whole = encoded(&groups);
    for length in ends[0]..=whole.len() {
        let count = ends.iter().filter(|&&end| end <= length).count();
        let expected: Writes =
            groups[..count].iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(decoded(&whole[..length]), Ok(expected), "cut to {length}");
    }
}

#[test]
fn a_group_counts_in_its_own_place_only() {
    let [one, other, _] = sample();
    let (first, both) = (encoded(std::slice::from_ref(&one)), encoded(&[one.clone(), other.clone()]));
    let appended = &both[first.len()..];
    let again = [&both[..], appended].concat();
    assert_eq!(decoded(&again), Err(Damage::WrongChecksum), "a group of the same file, twice");
    let stale = [&encoded(&[other])[..], appended].concat();
    assert_eq!(decoded(&stale), Err(Damage::WrongChecksum), "a group of another file");
    let zeros = [&first[..], &[0; 64]].concat();
    assert_eq!(decoded(&zeros), Err(Damage::WrongChecksum), "zeros");
}

/// A wrong length beneath right checksums is the one thing that no checksum finds.
#[test]
fn wrong_lengths_beneath_right_checksums_are_refused() {
    let whole = encoded(&sample());
    for at in HEADER.len()..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut wrong = whole.clone();
            wrong[at] = value;
            // A changed byte of a value makes another spool: only a panic would be wrong there.
            let _ = decoded(&with_right_checksums(wrong));
        }
    }
    let entry = HEADER.len() + LENGTH_BYTES + CHECKSUM_BYTES;
    let mut wrong = whole;
    wrong[entry] = 0xff;
    assert_eq!(decoded(&with_right_checksums(wrong)), Err(Damage::WrongLength));
}

#[test]
fn another_version_is_named_as_such() {
    assert_eq!(decoded(b"graceful-exit spool 1\n"), Err(Damage::UnknownVersion));
    assert_eq!(decoded(b"hello"), Err(Damage::NotASpool));
    assert_eq!(decoded(b""), Err(Damage::NotASpool));
}

#[test]
fn a_disk_that_is_full_is_an_error_at_every_byte() {
    let [first, second, _] = sample();
    let whole = encoded(&[first.clone(), second.clone()]).len();
    for room in 0..whole {
        let mut disk = vec![0; room];
        let mut left = &mut disk[..];
        let written = begin(&first, &mut left).and_then(|end| append(end, &second, &mut left));
        assert!(written.is_err(), "{room} bytes are no room for {whole}");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        groups in proptest::collection::vec(
            proptest::collection::btree_map(".{0,8}", proptest::collection::vec(any::<u8>(), 0..300), 0..20),
            1..4,
        )
    ) {
        let groups: Vec<Writes> = groups
            .into_iter()
            .map(|group| group.into_iter().map(|(key, value)| (key, value.into())).collect())
            .collect();
        let all: Writes = groups.iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
        prop_assert_eq!(decoded(&encoded(&groups)), Ok(all));
    }

    #[test]
    fn no_file_makes_it_panic(file in proptest::collection::vec(any::<u8>(), 0..200)) {
        let behind_a_header = [HEADER, &file].concat();
        let _ = decoded(&behind_a_header);
        let _ = decoded(&with_right_checksums(behind_a_header));
        let _ = decoded(&file);
    }

    /// Several changes at once, which a checksum may or may not find: what it lets through is no panic.
    #[test]
    fn no_changed_spool_makes_it_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = encoded(&sample());
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        let _ = decoded(&file);
        let _ = decoded(&with_right_checksums(file.clone()));
        let _ = decoded(&with_right_checksums(file[..cut.index(file.len())].to_vec()));
    }
}
