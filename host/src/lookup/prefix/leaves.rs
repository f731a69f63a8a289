//! Up to 64 neighbouring prefixes and their rows, side by side in memory.
//!
//! A leaf is its keys, of each prefix the lengths of its own prefixes that the deck has, where the rows of each end, and the
//! rows. It begins on a line of memory.

use std::hint::black_box;

use super::keys::{self, FORM, Form, KEYS};
use super::pages;
use crate::lookup::digits::{self, Packed};

/// Bytes of a line of memory.
const LINE: usize = 64;
/// Lines that are asked for together with the first: most leaves have no more. What is asked for one after the other
/// costs a wait each.
const TOGETHER: usize = 12;
/// Bytes of the lengths of a prefix's own prefixes.
const SHORTER: usize = 2;
/// What a leaf may need before its rows.
const MOST_BEFORE_ROWS: usize = FORM + KEYS * (8 + SHORTER + 4);

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
                if leaf.entries.len() == KEYS {
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
        for line in 1..=TOGETHER {
            black_box(leaf.get(line * LINE).copied());
        }
        let (form, leaf) = leaf.split_first_chunk::<FORM>()?;
        let form = Form::read(form);
        let (keys, leaf) = leaf.split_at_checked(KEYS * form.width())?;
        let (shorter, leaf) = leaf.split_at_checked(KEYS * SHORTER)?;
        let width = usize::from(form.note);
        let (ends, rows) = leaf.split_at_checked(KEYS * width)?;
        let at = form.rank(keys, number).checked_sub(1)?;
        let start = if at == 0 { 0 } else { keys::number(ends, width, at - 1)? };
        let rows = rows.get(start as usize..keys::number(ends, width, at)? as usize)?;
        Some(Found { key: form.key(keys, at)?, shorter: keys::number(shorter, SHORTER, at)? as u16, rows })
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
        let keys = || leaf.entries.iter().map(|entry| entry.key);
        // The bytes of an end: rows of a leaf can be long, and hardly ever are.
        let width = if u16::try_from(leaf.rows.len()).is_ok() { 2 } else { 4 };
        Form::of(keys()).with_note(width).write(keys(), &mut self.bytes);
        leaf.entries.resize(KEYS, Entry { key: 0, end: 0, shorter: 0 });
        for entry in &leaf.entries {
            self.bytes.extend_from_slice(&entry.shorter.to_le_bytes());
        }
        for entry in leaf.entries.drain(..) {
            self.bytes.extend_from_slice(&entry.end.to_le_bytes()[..width.into()]);
        }
        self.bytes.append(&mut leaf.rows);
        self.bytes.resize(self.begin + (self.bytes.len() - self.begin).next_multiple_of(LINE), 0);
        Some((first, place as u32))
    }
}

/// Bytes that the leaves of these rows can need, the beginning that is no leaf's included. What they do not need is never
/// written to, and so takes no memory.
fn most_bytes<'a>(rows: impl Iterator<Item = (Packed, &'a [u8])>) -> usize {
    let (mut last, mut prefixes, mut bytes) = (0, 0_usize, 0);
    for (key, row) in rows {
        prefixes += usize::from(key != last);
        last = key;
        bytes += row.len();
    }
    LINE + prefixes.div_ceil(KEYS) * (MOST_BEFORE_ROWS + LINE) + bytes
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
