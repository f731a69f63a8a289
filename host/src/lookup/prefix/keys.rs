//! Sorted keys of neighbours, without what all of them begin with.
//!
//! Neighbours in a deck begin alike: of sixty-four prefixes that stand side by side three or four symbols differ. A block
//! holds what they have in common once, and of each key only what follows, in two, four or eight bytes, whatever its
//! longest needs. So the keys of a block are two lines of memory in most decks, and are compared eight at a time.

use crate::lookup::digits::{self, MOST, Packed};

/// Keys of a block; of those that it has less, the last places hold [`NONE`].
pub(super) const KEYS: usize = 64;
/// Bytes of a [`Form`].
pub(super) const FORM: usize = 16;
/// Greater than what follows in any key: no symbol is all ones.
const NONE: u64 = u64::MAX;
const SYMBOLS_OF_A_BYTE: usize = 2;
/// Symbols that a common start has at most: two bytes of a key are always held.
const MOST_COMMON: u8 = 12;

/// How the keys of one block are held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// What they all begin with.
    common: Packed,
    /// Symbols of `common`.
    symbols: u8,
    /// Bytes of what follows: 2, 4 or 8.
    width: u8,
    keys: u8,
    /// See [`Form::with_note`].
    pub(super) note: u8,
}

impl Form {
    /// For these keys, sorted, 1 to [`KEYS`] of them.
    pub(super) fn of(keys: impl Iterator<Item = Packed>) -> Self {
        let (mut first, mut count, mut alike, mut longest) = (None, 0, MOST, 0);
        for key in keys {
            alike = alike.min(digits::alike(*first.get_or_insert(key), key));
            longest = longest.max(digits::length(key));
            count += 1;
        }
        let width = match longest.saturating_sub(alike) {
            0..=4 => 2,
            5..=8 => 4,
            _ => 8,
        };
        let symbols = alike.min(MOST - width * SYMBOLS_OF_A_BYTE);
        let common = first.map_or(0, |first| begin(first, symbols));
        Self { common, symbols: symbols as u8, width: width as u8, keys: count, note: 0 }
    }

    /// The same, with a byte for whoever the block belongs to.
    pub(super) fn with_note(self, note: u8) -> Self {
        Self { note, ..self }
    }

    /// Appends itself and the keys.
    pub(super) fn write(self, keys: impl Iterator<Item = Packed>, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.common.to_le_bytes());
        into.extend_from_slice(&[self.symbols, self.width, self.keys, self.note, 0, 0, 0, 0]);
        for rest in keys.map(|key| self.rest(key)).chain(std::iter::repeat(NONE)).take(KEYS) {
            into.extend_from_slice(&rest.to_le_bytes()[..self.width()]);
        }
    }

    pub(super) fn read(bytes: &[u8; FORM]) -> Self {
        let [c0, c1, c2, c3, c4, c5, c6, c7, symbols, width, keys, note, ..] = *bytes;
        let common = Packed::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        Self { common, symbols: symbols.min(MOST_COMMON), width, keys, note }
    }

    /// Bytes of a key.
    pub(super) fn width(self) -> usize {
        usize::from(self.width)
    }

    /// How many of the keys, which these bytes begin with, are not greater than `number`.
    pub(super) fn rank(self, keys: &[u8], number: Packed) -> usize {
        let start = begin(number, usize::from(self.symbols));
        if start != self.common {
            return if start > self.common { usize::from(self.keys) } else { 0 };
        }
        // What no key has a symbol for decides nothing: a key is not greater for what the number has beyond it.
        let rest = self.rest(number);
        // Counts, not searches: they have no branch to mispredict, and the compiler makes vector instructions of them.
        match self.width {
            2 => first_of(keys).map_or(0, |keys| not_above_u16(keys, rest as u16)),
            4 => first_of(keys).map_or(0, |keys| not_above_u32(keys, rest as u32)),
            _ => first_of(keys).map_or(0, |keys| not_above_u64(keys, rest)),
        }
    }

    /// The key at this place of the bytes that the keys begin with.
    pub(super) fn key(self, keys: &[u8], at: usize) -> Option<Packed> {
        let rest = number(keys, self.width(), at)?;
        Some(self.common | (rest << self.unused()) >> (4 * u32::from(self.symbols)))
    }

    /// What follows on the common start, as far as it is held.
    fn rest(self, key: Packed) -> u64 {
        (key << (4 * u32::from(self.symbols))) >> self.unused()
    }

    /// Bits of a word that a key does not take.
    fn unused(self) -> u32 {
        64 - 8 * u32::from(self.width.clamp(1, 8))
    }
}

/// The first symbols, of which there may be none.
fn begin(key: Packed, symbols: usize) -> Packed {
    if symbols == 0 { 0 } else { digits::start(key, symbols) }
}

fn first_of<const WIDTH: usize>(keys: &[u8]) -> Option<&[[u8; WIDTH]; KEYS]> {
    keys.as_chunks().0.first_chunk()
}

fn not_above_u16(keys: &[[u8; 2]; KEYS], rest: u16) -> usize {
    usize::from(keys.iter().map(|key| u16::from(u16::from_le_bytes(*key) <= rest)).sum::<u16>())
}

fn not_above_u32(keys: &[[u8; 4]; KEYS], rest: u32) -> usize {
    keys.iter().map(|key| u32::from(u32::from_le_bytes(*key) <= rest)).sum::<u32>() as usize
}

fn not_above_u64(keys: &[[u8; 8]; KEYS], rest: u64) -> usize {
    keys.iter().filter(|key| u64::from_le_bytes(**key) <= rest).count()
}

/// The number at a place of an array of numbers of 2, 4 or 8 bytes.
pub(super) fn number(bytes: &[u8], width: usize, at: usize) -> Option<u64> {
    let bytes = bytes.get(at * width..)?;
    Some(match width {
        2 => u16::from_le_bytes(*bytes.first_chunk()?).into(),
        4 => u32::from_le_bytes(*bytes.first_chunk()?).into(),
        _ => u64::from_le_bytes(*bytes.first_chunk()?),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn packed(texts: &BTreeSet<String>) -> Vec<Packed> {
        texts.iter().map(|text| digits::pack(text).unwrap()).collect()
    }

    /// A width, and the bytes of the keys.
    fn written(keys: &[Packed]) -> (Form, Vec<u8>) {
        let mut bytes = Vec::new();
        Form::of(keys.iter().copied()).write(keys.iter().copied(), &mut bytes);
        let (form, keys) = bytes.split_first_chunk().unwrap();
        (Form::read(form), keys.to_vec())
    }

    #[test]
    fn keys_take_as_many_bytes_as_what_differs_in_them_needs() {
        let width = |texts: &[&str]| written(&packed(&texts.iter().map(ToString::to_string).collect())).0.width();
        assert_eq!(width(&["1212"]), 2);
        assert_eq!(width(&["1234567890123456"]), 2);
        assert_eq!(width(&["12125550", "12125551", "1212999"]), 2);
        assert_eq!(width(&["1", "12125"]), 2);
        assert_eq!(width(&["1", "12125551"]), 4);
        assert_eq!(width(&["1", "1234567890"]), 8);
        assert_eq!(width(&["*", "1234567890123456"]), 8);
    }

    proptest! {
        #[test]
        fn keys_are_counted_as_if_they_were_whole(
            texts in prop::collection::btree_set("[12*#]{1,16}", 1..=KEYS),
            common in "[19#]{0,12}",
            number in "[12*#]{0,16}",
        ) {
            let texts: BTreeSet<String> = texts.iter().map(|text| format!("{common}{text}").chars().take(MOST).collect()).collect();
            let keys = packed(&texts);
            let (form, bytes) = written(&keys);
            let beside = [number.clone(), format!("{common}{number}")];
            let numbers = beside.iter().chain(&texts).map(|text| digits::pack_start(text));
            for number in numbers.flat_map(|number| [number, number.saturating_sub(1), number | 1]) {
                prop_assert_eq!(form.rank(&bytes, number), keys.iter().filter(|key| **key <= number).count());
            }
            for (at, key) in keys.iter().enumerate() {
                prop_assert_eq!(form.key(&bytes, at), Some(*key));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(form: [u8; FORM], keys: Vec<u8>, number: u64, at in 0..100_usize) {
            let form = Form::read(&form);
            form.rank(&keys, number);
            form.key(&keys, at);
        }
    }
}
