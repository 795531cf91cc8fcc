//! What holds for any file taken for a spool: the entry point of the fuzzer (`.ci/fuzz`), and the inputs that it has
//! found.

use bytes::Bytes;

use super::format::{CHECKSUM_BYTES, HEADER, LENGTH_BYTES, append, begin, decode, to_length};
use crate::business::store::Writes;

/// Checks one input: as a file, behind a spool's header, and that with every checksum right.
pub(crate) fn check(input: &[u8]) {
    let behind_a_header = [HEADER, input].concat();
    check_file(input);
    check_file(&with_right_checksums(behind_a_header.clone()));
    check_file(&behind_a_header);
}

fn check_file(file: &[u8]) {
    let Ok((writes, end)) = decode(Bytes::copy_from_slice(file)) else { return };
    let length = usize::try_from(end.length).expect("a length in memory");
    // What is behind the end does not count, and the next group takes its place.
    assert_eq!(decode(Bytes::copy_from_slice(&file[..length])), Ok((writes.clone(), end)));
    let more: Writes = [("more".to_owned(), Bytes::from_static(b"1"))].into();
    let mut longer = file[..length].to_vec();
    let longer_end = append(end, &more, &mut longer).expect("memory takes it");
    let both: Writes = writes.clone().into_iter().chain(more).collect();
    assert_eq!(decode(longer.into()), Ok((both, longer_end)));
    let mut again = Vec::new();
    let again_end = begin(&writes, &mut again).expect("memory takes it");
    assert_eq!(decode(again.into()), Ok((writes, again_end)));
}

/// Replaces every checksum by the right one, as far as the lengths lead.
pub(super) fn with_right_checksums(mut file: Vec<u8>) -> Vec<u8> {
    let (mut at, mut checksum) = (HEADER.len(), 0);
    loop {
        let mut sum = crc32fast::Hasher::new_with_initial(checksum);
        let Some(length) = file.get(at..at + LENGTH_BYTES).map(<[u8]>::to_vec) else { return file };
        sum.update(&length);
        at += LENGTH_BYTES;
        for entries in [0, to_length(&length).unwrap_or(usize::MAX)] {
            let Some(part) = at.checked_add(entries).and_then(|end| file.get(at..end)) else { return file };
            sum.update(part);
            at += entries;
            checksum = sum.clone().finalize();
            let Some(place) = file.get_mut(at..at + CHECKSUM_BYTES) else { return file };
            place.copy_from_slice(&checksum.to_le_bytes());
            at += CHECKSUM_BYTES;
        }
    }
}

#[test]
fn inputs_of_the_fuzzer() -> std::io::Result<()> {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/spool");
    for input in std::fs::read_dir(corpus)? {
        check(&std::fs::read(input?.path())?);
    }
    Ok(())
}
