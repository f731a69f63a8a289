//! The hash chain over a node's records: what proves that a store has all of them, as they were.
//!
//! A record's hash is SHA-256 of the hash before it (32 bytes) and of its own canonical bytes
//! ([`codec::canonical`]). "Before it" is the record that the node journalled last, whatever its epoch: a new epoch goes
//! on with the last hash of the old one where that is known. The first record of all follows [`ChainHash::NONE`].
//!
//! Numbers of records that were lost before they reached the journal have no hash; the next record's follows that of the
//! last one written. So a chain that closes over a gap proves that the numbers in it were never written, and one that
//! does not proves that something which was written is missing.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::codec;
use super::record::{CallRecord, RecordKey};

/// A link of the chain: 32 bytes; in JSON 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What stands before a node's first record: zeros.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of the record with these canonical bytes, where `self` is the hash before it.
    pub fn next(self, canonical: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(canonical).finalize().into())
    }

    /// The hash that this record has where `self` is the hash before it; `None` in no practice.
    pub fn next_of(self, record: &CallRecord) -> Option<Self> {
        codec::canonical(record).ok().map(|bytes| self.next(&bytes))
    }

    /// The 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl<B: Into<[u8; 32]>> From<B> for ChainHash {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&digits(&self.0)).unwrap_or_default())
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn digits(bytes: &[u8; 32]) -> [u8; 64] {
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    digits
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits")]
pub struct NotAHash;

impl std::str::FromStr for ChainHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let text: &[u8; 64] = text.as_bytes().try_into().map_err(|_| NotAHash)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(NotAHash);
            *byte = (digit(0)? << 4 | digit(1)?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for ChainHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&digits(&self.0)).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for ChainHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What the hash of a record proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The record is as it was written, and follows the one before it with nothing between.
    Whole,
    /// As `Whole`, though so many numbers before it are missing: they were never written.
    NeverWritten(u64),
    /// Nothing: so many records before it are missing here that were written.
    Unproven(u64),
    /// Nothing: it is the first that was looked at.
    First,
    /// It or the one before it was altered, or the records do not come in the order of their keys.
    Altered,
}

/// Checks the records of one node in the order of their keys.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    last: Option<(RecordKey, ChainHash)>,
}

impl Verifier {
    /// Begins behind a record that is known to be right.
    pub fn after(key: RecordKey, hash: ChainHash) -> Self {
        Self { last: Some((key, hash)) }
    }

    /// What the hash of the next record proves.
    pub fn check(&mut self, record: &CallRecord) -> Link {
        let key = &record.key;
        let follows = |before: ChainHash| before.next_of(record) == Some(record.hash);
        let link = match &self.last {
            // A node's very first record can be told: it follows nothing.
            None if follows(ChainHash::NONE) => Link::Whole,
            None => Link::First,
            Some((last, _)) if last.node != key.node || last >= key => Link::Altered,
            Some((last, before)) => {
                let expected = if last.epoch == key.epoch { last.sequence + 1 } else { 1 };
                match (key.sequence.saturating_sub(expected), follows(*before)) {
                    (0, true) => Link::Whole,
                    (missing, true) => Link::NeverWritten(missing),
                    // A new epoch begins where a journal was lost: its last records may be, too.
                    (missing, false) if missing > 0 || last.epoch != key.epoch => Link::Unproven(missing),
                    (_, false) => Link::Altered,
                }
            }
        };
        self.last = Some((key.clone(), record.hash));
        link
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::testing::call;

    /// A chain of records with these numbers.
    fn chain(sequences: &[u64]) -> Vec<CallRecord> {
        let mut before = ChainHash::NONE;
        let numbered = sequences.iter().map(|&sequence| {
            let mut record = *call(sequence);
            record.key = RecordKey { node: "edge-1".into(), epoch: 1, sequence };
            record.hash = before.next_of(&record).unwrap();
            before = record.hash;
            record
        });
        numbered.collect()
    }

    fn links(records: &[CallRecord]) -> Vec<Link> {
        let mut verifier = Verifier::default();
        records.iter().map(|record| verifier.check(record)).collect()
    }

    #[test]
    fn an_unbroken_chain_is_whole_and_from_the_middle_after_the_first() {
        let records = chain(&[1, 2, 3, 4]);
        assert_eq!(links(&records), [Link::Whole; 4]);
        assert_eq!(links(&records[1..]), [Link::First, Link::Whole, Link::Whole]);
        let mut resumed = Verifier::after(records[1].key.clone(), records[1].hash);
        assert_eq!(resumed.check(&records[2]), Link::Whole);
    }

    #[test]
    fn an_altered_record_is_found() {
        let mut records = chain(&[1, 2, 3]);
        records[1].times.ended -= 1;
        assert_eq!(links(&records), [Link::Whole, Link::Altered, Link::Whole]);
    }

    #[test]
    fn an_altered_record_with_a_new_hash_is_found_at_the_next() {
        let mut records = chain(&[1, 2, 3]);
        records[1].times.ended -= 1;
        records[1].hash = records[0].hash.next_of(&records[1]).unwrap();
        assert_eq!(links(&records), [Link::Whole, Link::Whole, Link::Altered]);
    }

    #[test]
    fn a_missing_record_is_told_from_a_number_that_was_never_written() {
        let mut removed = chain(&[1, 2, 3, 4]);
        removed.remove(1);
        assert_eq!(links(&removed), [Link::Whole, Link::Unproven(1), Link::Whole]);
        assert_eq!(links(&chain(&[1, 5, 6])), [Link::Whole, Link::NeverWritten(3), Link::Whole]);
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = ChainHash::NONE.next(b"x");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("00".parse::<ChainHash>(), Err(NotAHash));
        assert_eq!("zz".repeat(32).parse::<ChainHash>(), Err(NotAHash));
    }
}
