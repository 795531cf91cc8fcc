//! The bytes of a spool.
//!
//! ```text
//! "graceful-exit spool 2\n"
//! groups, one after another, each:
//!   length of the entries in bytes    8 bytes, little endian
//!   checksum of the length            4 bytes, little endian
//!   entries                           each: length, key, length, value; lengths as above
//!   checksum of length and entries    4 bytes, little endian
//! ```
//!
//! A checksum is a CRC-32 that continues the one of the group before, so that a group counts in its
//! own place only. It detects every change within four consecutive bytes, and all but 1 in 2³²
//! cases of other damage. It does not protect against deliberate changes.
//!
//! The first group is put in place whole, by a rename: a file that ends within it is damaged. The
//! later ones are appended: a file that ends within its last group was cut off by a kill before that
//! group was acknowledged, and the group does not count. Anything else that is wrong is damage.

use std::io::{self, Write};

use bytes::{Buf, Bytes};

use crate::business::store::Writes;

const FAMILY: &[u8] = b"graceful-exit spool ";
pub(super) const HEADER: &[u8] = b"graceful-exit spool 2\n";
pub(super) const LENGTH_BYTES: usize = size_of::<u64>();
pub(super) const CHECKSUM_BYTES: usize = size_of::<u32>();

/// Why the content of a file is not taken for a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    NotASpool,
    UnknownVersion,
    CutOff,
    WrongChecksum,
    WrongLength,
    NotUtf8,
}

/// Where the next group goes, and what its checksum continues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) length: u64,
    checksum: u32,
}

/// Writes the header and a first group. Returns where the next group goes.
pub(super) fn begin(writes: &Writes, out: &mut impl Write) -> io::Result<End> {
    out.write_all(HEADER)?;
    append(End { length: HEADER.len() as u64, checksum: 0 }, writes, out)
}

/// Writes a group behind `end`, entry by entry: a large spool is not held in memory twice.
pub(super) fn append(end: End, writes: &Writes, out: &mut impl Write) -> io::Result<End> {
    let entries: usize = writes.iter().map(|(key, value)| 2 * LENGTH_BYTES + key.len() + value.len()).sum();
    let length = (entries as u64).to_le_bytes();
    let mut out = Summing { out, sum: crc32fast::Hasher::new_with_initial(end.checksum) };
    out.put(&length)?;
    out.checksum()?;
    for (key, value) in writes {
        for part in [key.as_bytes(), value] {
            out.put(&(part.len() as u64).to_le_bytes())?;
            out.put(part)?;
        }
    }
    let checksum = out.checksum()?;
    let group = LENGTH_BYTES + CHECKSUM_BYTES + entries + CHECKSUM_BYTES;
    Ok(End { length: end.length + group as u64, checksum })
}

/// Reads a whole file, which may go on behind the end that is returned if its last group was cut off.
/// The values share its memory.
pub(super) fn decode(mut file: Bytes) -> Result<(Writes, End), Damage> {
    let whole = file.len();
    if !file.starts_with(HEADER) {
        return Err(if file.starts_with(FAMILY) { Damage::UnknownVersion } else { Damage::NotASpool });
    }
    file.advance(HEADER.len());
    let (mut writes, checksum) = take_group(&mut file, 0)?;
    let mut end = End { length: (whole - file.len()) as u64, checksum };
    while !file.is_empty() {
        match take_group(&mut file, end.checksum) {
            Ok((newer, checksum)) => {
                writes.extend(newer);
                end = End { length: (whole - file.len()) as u64, checksum };
            }
            Err(Damage::CutOff) => break,
            Err(damage) => return Err(damage),
        }
    }
    Ok((writes, end))
}

/// How long a file is that holds so many entries, of so many bytes, in one group.
pub(super) fn length(entries: usize, bytes: usize) -> u64 {
    let frame = HEADER.len() + LENGTH_BYTES + 2 * CHECKSUM_BYTES;
    (frame + 2 * LENGTH_BYTES * entries + bytes) as u64
}

/// Takes a group off the front of `file`. Returns its writes and its checksum.
fn take_group(file: &mut Bytes, before: u32) -> Result<(Writes, u32), Damage> {
    let mut sum = crc32fast::Hasher::new_with_initial(before);
    let length = take(file, LENGTH_BYTES)?;
    sum.update(&length);
    check(file, &sum)?;
    // Its checksum is right: a length that leads beyond the end means that the end is missing.
    let length = to_length(&length)?;
    let mut entries = take(file, length)?;
    sum.update(&entries);
    let checksum = check(file, &sum)?;
    let mut writes = Writes::new();
    while !entries.is_empty() {
        let key = take_part(&mut entries)?;
        let key = std::str::from_utf8(&key).map_err(|_| Damage::NotUtf8)?.to_owned();
        writes.insert(key, take_part(&mut entries)?);
    }
    Ok((writes, checksum))
}

fn take_part(entries: &mut Bytes) -> Result<Bytes, Damage> {
    let length = take(entries, LENGTH_BYTES).map_err(|_| Damage::WrongLength)?;
    take(entries, to_length(&length)?).map_err(|_| Damage::WrongLength)
}

fn take(file: &mut Bytes, bytes: usize) -> Result<Bytes, Damage> {
    if bytes > file.len() { Err(Damage::CutOff) } else { Ok(file.split_to(bytes)) }
}

pub(super) fn to_length(mut bytes: &[u8]) -> Result<usize, Damage> {
    let length = bytes.try_get_u64_le().map_err(|_| Damage::WrongLength)?;
    usize::try_from(length).map_err(|_| Damage::WrongLength)
}

/// Takes a checksum off the front of `file`, which must be that of `sum`.
fn check(file: &mut Bytes, sum: &crc32fast::Hasher) -> Result<u32, Damage> {
    let expected = sum.clone().finalize();
    let found = take(file, CHECKSUM_BYTES)?;
    if found[..] == expected.to_le_bytes() { Ok(expected) } else { Err(Damage::WrongChecksum) }
}

/// Passes bytes on, and computes their checksum.
struct Summing<'a, W> {
    out: &'a mut W,
    sum: crc32fast::Hasher,
}

impl<W: Write> Summing<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.out.write_all(bytes)
    }

    fn checksum(&mut self) -> io::Result<u32> {
        let sum = self.sum.clone().finalize();
        self.out.write_all(&sum.to_le_bytes())?;
        Ok(sum)
    }
}

#[cfg(test)]
mod tests;
