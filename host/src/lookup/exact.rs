//! Rows under whole keys: one hash, one comparison.
//!
//! Keys and packed rows stand one after the other in one block of bytes; the hash table holds only where each begins.
//! Costs 5 to 10 bytes a row, the key and the packed row.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::dictionary::Dictionary;
use super::packed::unpack_text;
use super::row::Row;

/// All of an exact table's rows.
#[derive(Debug, Default)]
pub(super) struct ExactIndex {
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Key, row, key, row …
    bytes: Box<[u8]>,
}

impl ExactIndex {
    /// The row under `key`.
    pub(super) fn get(&self, dictionary: &Dictionary, key: &str) -> Option<Row> {
        let hash = self.hasher.hash_one(key.as_bytes());
        let place = self.places.find(hash, |&place| key_at(&self.bytes, place) == key.as_bytes())?;
        let mut entry = &self.bytes[*place as usize..];
        unpack_text(&mut entry);
        Some(dictionary.unpack(&mut entry))
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.places.allocation_size() + self.bytes.len()
    }
}

/// An index in the making. Whoever builds it appends the key and the row to the bytes.
#[derive(Debug, Default)]
pub(super) struct ExactBuilder {
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl ExactBuilder {
    /// Takes in the entry that begins at `place` of `bytes`. The error is the place of the entry with the same key.
    pub(super) fn insert(&mut self, bytes: &[u8], place: u32) -> Result<(), u32> {
        let key = key_at(bytes, place);
        let hasher = &self.hasher;
        let same = |&other: &u32| key_at(bytes, other) == key;
        let rehash = |&other: &u32| hasher.hash_one(key_at(bytes, other));
        match self.places.entry(hasher.hash_one(key), same, rehash) {
            Entry::Occupied(other) => Err(*other.get()),
            Entry::Vacant(free) => {
                free.insert(place);
                Ok(())
            }
        }
    }

    pub(super) fn finish(self, bytes: Vec<u8>) -> ExactIndex {
        ExactIndex { places: self.places, hasher: self.hasher, bytes: bytes.into() }
    }
}

fn key_at(bytes: &[u8], place: u32) -> &[u8] {
    unpack_text(&mut &bytes[place as usize..])
}
