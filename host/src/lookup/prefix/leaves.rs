//! Up to 16 neighbouring prefixes and their rows, side by side in memory.
//!
//! A leaf is 16 entries of 14 bytes, then the rows. An entry is its key, where its rows end, and the lengths of its own
//! prefixes that the deck has; entries that are not needed have a key beyond all others. A leaf begins on a line of memory.

use std::hint::black_box;

use super::pages;
use crate::lookup::digits::{self, Packed};

/// Prefixes of a leaf.
const ENTRIES: usize = 16;
/// Key, end, shorter.
const ENTRY: usize = 8 + 4 + 2;
/// Where a leaf's rows begin.
const ROWS: usize = ENTRIES * ENTRY;
/// Bytes of a line of memory.
const LINE: usize = 64;
/// Greater than every key.
const BEYOND: Packed = Packed::MAX;

/// All leaves, one after the other.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    bytes: Vec<u8>,
    /// Where the first leaf begins: at the first line of memory in `bytes`.
    begin: usize,
}

/// A prefix of the deck.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) key: Packed,
    /// Bit n: its first n + 1 symbols are a prefix of the deck too.
    pub(super) shorter: u16,
    /// Its rows, packed.
    pub(super) rows: &'a [u8],
}

impl Leaves {
    /// From all rows, sorted by their keys: with each leaf's first key and its place.
    pub(super) fn build<'a>(rows: impl Iterator<Item = (Packed, &'a [u8])> + Clone) -> (Self, Vec<(Packed, u32)>) {
        let mut leaves = Self::with_room(most_bytes(rows.clone()));
        let (mut firsts, mut leaf, mut chain) = (Vec::new(), Growing::default(), Chain::default());
        for (key, row) in rows {
            if leaf.entries.last().is_none_or(|last| last.key != key) {
                if leaf.entries.len() == ENTRIES {
                    firsts.extend(leaves.append(&mut leaf));
                }
                leaf.entries.push(Entry { key, end: 0, shorter: chain.shorter(key) });
            }
            leaf.append(row);
        }
        firsts.extend(leaves.append(&mut leaf));
        (leaves, firsts)
    }

    /// Of the leaf at this place the last prefix that is not greater than `number`.
    pub(super) fn floor(&self, place: u32, number: Packed) -> Option<Found<'_>> {
        let leaf = self.bytes.get(self.begin + place as usize * LINE..)?;
        // So that the processor asks for the rows' lines together with those of the entries and not after them.
        for line in 0..2 {
            black_box(leaf.get(ROWS + line * LINE).copied());
        }
        let (entries, rows) = leaf.split_at_checked(ROWS)?;
        let (entries, _) = entries.as_chunks::<ENTRY>();
        let at = entries.iter().filter(|entry| key(entry) <= number).count().checked_sub(1)?;
        let entry = Entry::read(&entries[at]);
        let start = if at == 0 { 0 } else { Entry::read(&entries[at - 1]).end };
        Some(Found { key: entry.key, shorter: entry.shorter, rows: rows.get(start as usize..entry.end as usize)? })
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn with_room(bytes: usize) -> Self {
        let mut room: Vec<u8> = Vec::with_capacity(bytes);
        pages::prefer_large(&mut room);
        let begin = room.as_ptr().align_offset(LINE) % LINE;
        room.resize(begin, 0);
        Self { bytes: room, begin }
    }

    /// Appends a leaf and leaves an empty one; its first key and its place. `None` where it is empty already.
    fn append(&mut self, leaf: &mut Growing) -> Option<(Packed, u32)> {
        let first = leaf.entries.first()?.key;
        let place = (self.bytes.len() - self.begin) / LINE;
        leaf.entries.resize(ENTRIES, Entry { key: BEYOND, end: 0, shorter: 0 });
        for entry in leaf.entries.drain(..) {
            entry.write(&mut self.bytes);
        }
        self.bytes.append(&mut leaf.rows);
        self.bytes.resize(self.begin + (self.bytes.len() - self.begin).next_multiple_of(LINE), 0);
        Some((first, place as u32))
    }
}

/// Bytes that the leaves of these rows can need, the beginning that is no leaf's included.
fn most_bytes<'a>(rows: impl Iterator<Item = (Packed, &'a [u8])>) -> usize {
    let (mut last, mut prefixes, mut bytes) = (0, 0_usize, 0);
    for (key, row) in rows {
        prefixes += usize::from(key != last);
        last = key;
        bytes += row.len();
    }
    LINE + prefixes.div_ceil(ENTRIES) * (ROWS + LINE) + bytes
}

/// A leaf in the making.
#[derive(Debug, Default)]
struct Growing {
    entries: Vec<Entry>,
    rows: Vec<u8>,
}

impl Growing {
    /// A row of the last entry.
    fn append(&mut self, row: &[u8]) {
        self.rows.extend_from_slice(row);
        if let Some(last) = self.entries.last_mut() {
            last.end = self.rows.len() as u32;
        }
    }
}

/// See the module.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Packed,
    end: u32,
    shorter: u16,
}

impl Entry {
    fn read(bytes: &[u8; ENTRY]) -> Self {
        let [.., e0, e1, e2, e3, s0, s1] = *bytes;
        Self { key: key(bytes), end: u32::from_le_bytes([e0, e1, e2, e3]), shorter: u16::from_le_bytes([s0, s1]) }
    }

    fn write(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.key.to_le_bytes());
        into.extend_from_slice(&self.end.to_le_bytes());
        into.extend_from_slice(&self.shorter.to_le_bytes());
    }
}

fn key(entry: &[u8; ENTRY]) -> Packed {
    let [k0, k1, k2, k3, k4, k5, k6, k7, ..] = *entry;
    Packed::from_le_bytes([k0, k1, k2, k3, k4, k5, k6, k7])
}

/// The prefixes, each one of the next, that the last one met ends with.
#[derive(Debug, Default)]
struct Chain(Vec<Packed>);

impl Chain {
    /// Which of its own prefixes the deck has; keys come in their order.
    fn shorter(&mut self, key: Packed) -> u16 {
        while self.0.last().is_some_and(|&last| digits::alike(last, key) < digits::length(last)) {
            self.0.pop();
        }
        let shorter = self.0.iter().fold(0, |bits, &prefix| bits | 1 << (digits::length(prefix) - 1));
        self.0.push(key);
        shorter
    }
}
