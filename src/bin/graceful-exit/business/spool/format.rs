//! What a spool looks like on the disk.
//!
//! ```text
//! "graceful-exit spool 1\n"
//! length of the entries in bytes   8 bytes, little endian
//! entries                          each: length, key, length, value; lengths as above
//! CRC-32 of all of the above       4 bytes, little endian
//! ```
//!
//! The checksum finds every change within any four bytes in a row for certain, and any other
//! damage but for one case in four thousand million. It is no protection against a forger.

use std::fmt;
use std::io::{self, Write};

use bytes::{Buf, Bytes};

use crate::business::store::Writes;

const FAMILY: &[u8] = b"graceful-exit spool ";
const HEADER: &[u8] = b"graceful-exit spool 1\n";
const CHECKSUM_BYTES: usize = 4;

/// Why the content of a file is not taken for a spool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    NotASpool,
    UnknownVersion,
    WrongChecksum,
    WrongLength,
    NotUtf8,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotASpool => "it does not begin as a spool does",
            Self::UnknownVersion => "it is of a version that this program does not know",
            Self::WrongChecksum => "its checksum does not match",
            Self::WrongLength => "a length in it does not match",
            Self::NotUtf8 => "a key in it is not UTF-8",
        })
    }
}

/// Writes the whole file, entry by entry, so that a large spool is not held in memory twice.
pub(super) fn encode(writes: &Writes, out: &mut impl Write) -> io::Result<()> {
    let length: usize =
        writes.iter().map(|(key, value)| 2 * size_of::<u64>() + key.len() + value.len()).sum();
    let mut out = Summing { out, sum: crc32fast::Hasher::new() };
    out.put(HEADER)?;
    out.put(&(length as u64).to_le_bytes())?;
    for (key, value) in writes {
        for part in [key.as_bytes(), value] {
            out.put(&(part.len() as u64).to_le_bytes())?;
            out.put(part)?;
        }
    }
    let sum = out.sum.finalize();
    out.out.write_all(&sum.to_le_bytes())
}

/// Reads what [`encode`] wrote. The values share `file`'s memory.
pub(super) fn decode(mut file: Bytes) -> Result<Writes, Damage> {
    if !file.starts_with(HEADER) {
        return Err(if file.starts_with(FAMILY) { Damage::UnknownVersion } else { Damage::NotASpool });
    }
    let Some(summed) = file.len().checked_sub(CHECKSUM_BYTES).filter(|n| *n >= HEADER.len()) else {
        return Err(Damage::WrongLength);
    };
    let sum = file.split_off(summed);
    if sum[..] != crc32fast::hash(&file).to_le_bytes() {
        return Err(Damage::WrongChecksum);
    }
    file.advance(HEADER.len());
    if take_length(&mut file)? != file.len() {
        return Err(Damage::WrongLength);
    }
    let mut writes = Writes::new();
    while !file.is_empty() {
        let key = take_part(&mut file)?;
        let key = std::str::from_utf8(&key).map_err(|_| Damage::NotUtf8)?.to_owned();
        writes.insert(key, take_part(&mut file)?);
    }
    Ok(writes)
}

fn take_part(file: &mut Bytes) -> Result<Bytes, Damage> {
    let length = take_length(file)?;
    if length > file.len() {
        return Err(Damage::WrongLength);
    }
    Ok(file.split_to(length))
}

fn take_length(file: &mut Bytes) -> Result<usize, Damage> {
    let length = file.try_get_u64_le().map_err(|_| Damage::WrongLength)?;
    usize::try_from(length).map_err(|_| Damage::WrongLength)
}

/// Sums up what passes through it.
struct Summing<'a, W> {
    out: &'a mut W,
    sum: crc32fast::Hasher,
}

impl<W: Write> Summing<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.out.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(writes: &Writes) -> Vec<u8> {
        let mut file = Vec::new();
        encode(writes, &mut file).unwrap();
        file
    }

    fn sample() -> Writes {
        [("a", &b"1"[..]), ("empty", b""), ("\u{7f13}\u{5b58}", b"\0\xff")]
            .map(|(key, value)| (key.to_owned(), Bytes::from_static(value)))
            .into()
    }

    #[test]
    fn every_changed_byte_is_found() {
        let whole = encoded(&sample());
        for at in 0..whole.len() {
            for flip in 1..=u8::MAX {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                assert!(decode(damaged.into()).is_err(), "byte {at} ^ {flip:#x}");
            }
        }
    }

    #[test]
    fn every_shortened_or_lengthened_file_is_refused() {
        let whole = encoded(&sample());
        for length in 0..whole.len() {
            assert!(decode(whole[..length].to_vec().into()).is_err(), "cut to {length}");
        }
        for more in 1..64 {
            let mut longer = whole.clone();
            longer.resize(whole.len() + more, 0);
            assert!(decode(longer.into()).is_err(), "{more} zeros appended");
        }
    }

    /// A length that lies beneath a right checksum is the one thing the checksum cannot catch.
    #[test]
    fn lying_lengths_beneath_a_right_checksum_are_refused() {
        let whole = encoded(&sample());
        let body = whole.len() - CHECKSUM_BYTES;
        for at in HEADER.len()..body {
            let mut lying = whole.clone();
            lying[at] = 0xff;
            let sum = crc32fast::hash(&lying[..body]);
            lying[body..].copy_from_slice(&sum.to_le_bytes());
            // A changed value byte is a spool like any other: only a panic would be wrong here.
            let _ = decode(lying.into());
        }
        let mut lying = whole;
        lying[HEADER.len()] ^= 1;
        let sum = crc32fast::hash(&lying[..body]);
        lying[body..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(decode(lying.into()), Err(Damage::WrongLength));
    }

    #[test]
    fn another_version_is_named_as_such() {
        assert_eq!(decode(Bytes::from_static(b"graceful-exit spool 2\n")), Err(Damage::UnknownVersion));
        assert_eq!(decode(Bytes::from_static(b"hello")), Err(Damage::NotASpool));
        assert_eq!(decode(Bytes::new()), Err(Damage::NotASpool));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            writes in proptest::collection::btree_map(".*", proptest::collection::vec(any::<u8>(), 0..300), 0..20)
        ) {
            let writes: Writes = writes.into_iter().map(|(key, value)| (key, value.into())).collect();
            prop_assert_eq!(decode(encoded(&writes).into()), Ok(writes));
        }

        #[test]
        fn nothing_read_makes_it_panic(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut behind_a_header = HEADER.to_vec();
            behind_a_header.extend(&file);
            let sum = crc32fast::hash(&behind_a_header);
            behind_a_header.extend(sum.to_le_bytes());
            let _ = decode(behind_a_header.into());
            let _ = decode(file.into());
        }
    }
}
