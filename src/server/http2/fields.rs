//! [`FieldScanner`]: how large a request's head is, without decoding it.
//!
//! The dispatcher decodes up to 16 MiB of a head, and a field of one byte can stand for one that takes hundreds in memory.
//! The limits here are those of HTTP/1. Pure, and lenient: what is no HPACK is the dispatcher's to refuse.

/// The most fields of a head: 96, as for HTTP/1, and four that stand for HTTP/1's first line.
pub(super) const MAX_FIELDS: usize = 100;
/// The longest head, compressed as it is.
pub(super) const MAX_LENGTH: usize = 64 << 10;

/// Counts the fields of header blocks.
#[derive(Debug, Default)]
pub(super) struct FieldScanner {
    next: Next,
    fields: usize,
    length: usize,
    is_too_large: bool,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, Default)]
enum Next {
    /// The first one of a field, or of a change of the table's size.
    #[default]
    Field,
    /// The rest of a number, behind which so many strings follow.
    Number { strings: u8 },
    /// The first one of a string's length; so many strings are left with this one.
    Length { strings: u8 },
    /// The rest of that length.
    LengthRest { length: usize, shift: u32, strings: u8 },
    /// A string's text.
    Text { left: usize, strings: u8 },
}

impl FieldScanner {
    /// Another header block begins.
    pub(super) fn begin(&mut self) {
        *self = Self { is_too_large: self.is_too_large, ..Self::default() };
    }

    /// Returns true if one of the blocks was larger than it may be.
    pub(super) fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// Takes the next bytes of the block.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        let (mut next, mut fields) = (self.next, self.fields);
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            next = match next {
                Next::Field => {
                    // A change of the table's size is none.
                    fields += usize::from(byte & 0xe0 != 0x20);
                    Next::in_field(byte)
                }
                Next::Number { strings } if byte & 0x80 != 0 => Next::Number { strings },
                Next::Number { strings } => Next::of(strings),
                Next::Length { strings } => match usize::from(byte & 0x7f) {
                    0x7f => Next::LengthRest { length: 0x7f, shift: 0, strings },
                    length => Next::text(length, strings),
                },
                Next::LengthRest { length, shift, strings } => {
                    let length = length.saturating_add(usize::from(byte & 0x7f) << shift.min(28));
                    if byte & 0x80 == 0 {
                        Next::text(length, strings)
                    } else {
                        Next::LengthRest { length, shift: shift + 7, strings }
                    }
                }
                Next::Text { left, strings } => {
                    let skipped = (left - 1).min(bytes.len());
                    bytes = &bytes[skipped..];
                    Next::text(left - 1 - skipped, strings)
                }
            };
        }
        (self.next, self.fields) = (next, fields);
        self.is_too_large |= fields > MAX_FIELDS || self.length > MAX_LENGTH;
    }
}

impl Next {
    /// What follows the first byte of a field, or of a change of the table's size.
    fn in_field(byte: u8) -> Self {
        // The largest number that fits here, and the strings behind one that is not zero.
        let (most, strings) = match byte {
            0x80.. => (0x7f, 0),
            0x40..=0x7f => (0x3f, 1),
            0x20..=0x3f => (0x1f, 0),
            0..=0x1f => (0x0f, 1),
        };
        match byte & most {
            number if number == most => Self::Number { strings },
            0 if strings == 1 => Self::of(2),
            _ => Self::of(strings),
        }
    }

    fn of(strings: u8) -> Self {
        if strings == 0 { Self::Field } else { Self::Length { strings } }
    }

    fn text(left: usize, strings: u8) -> Self {
        if left == 0 { Self::of(strings - 1) } else { Self::Text { left, strings } }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A number as HPACK writes it, behind these first bits.
    fn number(first: u8, most: u8, number: usize) -> Vec<u8> {
        if number < usize::from(most) {
            return vec![first | u8::try_from(number).unwrap_or(0)];
        }
        let (mut rest, mut bytes) = (number - usize::from(most), vec![first | most]);
        while rest > 0x7f {
            bytes.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap_or(0));
        bytes
    }

    fn text(length: usize) -> Vec<u8> {
        [number(0x80, 0x7f, length), vec![0xff; length]].concat()
    }

    /// The bytes of a field, or of a change of size, and how many fields it is.
    fn part() -> impl Strategy<Value = (Vec<u8>, usize)> {
        let literal = |(first, most)| {
            (0_usize..400, 0_usize..400, 0_usize..400).prop_map(move |(index, name, value)| {
                let name = if index == 0 { text(name) } else { Vec::new() };
                ([number(first, most, index), name, text(value)].concat(), 1)
            })
        };
        prop_oneof![
            (1_usize..100_000).prop_map(|index| (number(0x80, 0x7f, index), 1)),
            literal((0x40, 0x3f)),
            literal((0x10, 0x0f)),
            literal((0x00, 0x0f)),
            (0_usize..100_000).prop_map(|size| (number(0x20, 0x1f, size), 0)),
        ]
    }

    proptest! {
        #[test]
        fn every_field_is_counted_once_wherever_the_bytes_are_cut(
            parts in vec(part(), 0..40),
            cut in 1_usize..50,
        ) {
            let bytes: Vec<u8> = parts.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            let mut scanner = FieldScanner::default();
            bytes.chunks(cut).for_each(|chunk| scanner.feed(chunk));
            let fields: usize = parts.iter().map(|(_, fields)| fields).sum();
            prop_assert_eq!((scanner.fields, scanner.length), (fields, bytes.len()));
            prop_assert!(matches!(scanner.next, Next::Field), "{:?}", scanner.next);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300)) {
            FieldScanner::default().feed(&bytes);
        }
    }

    #[test]
    fn a_head_is_too_large_by_its_fields_or_its_length_and_each_head_counts_for_itself() {
        let mut scanner = FieldScanner::default();
        for _ in 0..3 {
            scanner.begin();
            scanner.feed(&[0x82; MAX_FIELDS]);
            assert!(!scanner.is_too_large());
        }
        scanner.feed(&[0x82]);
        assert!(scanner.is_too_large());
        scanner.begin();
        assert!(scanner.is_too_large(), "its connection ends");
        let mut scanner = FieldScanner::default();
        let begin = [0x00, 0x01, b'a', 0x7f, 0xff, 0xff, 0x7f];
        scanner.feed(&begin);
        scanner.feed(&vec![b'b'; MAX_LENGTH - begin.len()]);
        assert!(!scanner.is_too_large());
        scanner.feed(b"b");
        assert!(scanner.is_too_large());
    }

    #[test]
    fn a_table_of_no_size_is_no_field_and_has_no_strings() {
        let mut scanner = FieldScanner::default();
        scanner.feed(&[0x20, 0x82]);
        assert_eq!(scanner.fields, 1);
        assert!(matches!(scanner.next, Next::Field), "{:?}", scanner.next);
    }
}
