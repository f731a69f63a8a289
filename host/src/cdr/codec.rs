//! The compact form of a record: what the journal keeps and what the chain hashes.
//!
//! [postcard]'s wire format (strings and lists with their length before them, numbers as LEB128 varints, signed ones in
//! zigzag, `Option` and the variants of enumerations as one number) of these values, one after the other:
//!
//! `version`, `node`, `epoch`, `sequence`, then the body: `call_id`, `customer`, `source`, `transport`, `caller`,
//! `callee`, `times`, `code`, `end`, `attempts`, `stages`, `attributes`; structures are their fields in the order of
//! [`record`](super::record). `version` is one byte: 1.
//!
//! The same record has the same bytes, wherever it was kept meanwhile: who reads one from a store's JSON can say by
//! [`canonical`] what the journal held, and check the chain by it. A later version that adds fields writes another
//! number first, and goes on writing records of this version as they were.
//!
//! [postcard]: https://postcard.jamesmunns.com/wire-format

use std::net::SocketAddr;
use std::sync::Arc;

use super::chain::ChainHash;
use super::record::{Attempt, CallRecord, End, RecordKey, Sides, StageRecord, Times};

const VERSION: u8 = 1;

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a later Trunkline.
    #[error("is of version {0}, this Trunkline knows version {VERSION}")]
    Version(u8),
    /// Not what our encoder writes.
    #[error("is no record: {0}")]
    Malformed(#[from] postcard::Error),
    /// Something follows it.
    #[error("is longer than a record")]
    TooLong,
}

/// Everything of a record but its key and hash, which are the journal's to give.
///
/// # Errors
///
/// Never in practice: memory takes every record.
pub(super) fn body(record: &CallRecord) -> postcard::Result<Vec<u8>> {
    append_body(Vec::with_capacity(1024), record)
}

fn append_body(out: Vec<u8>, record: &CallRecord) -> postcard::Result<Vec<u8>> {
    let CallRecord {
        key: _,
        hash: _,
        call_id,
        customer,
        source,
        transport,
        caller,
        callee,
        times,
        code,
        end,
        attempts,
        stages,
        attributes,
    } = record;
    let body = (call_id, customer, source, transport, caller, callee, times, code, end, attempts, stages, attributes);
    postcard::to_extend(&body, out)
}

/// What stands before the body.
pub(super) fn prefix(out: Vec<u8>, node: &str, epoch: u64, sequence: u64) -> postcard::Result<Vec<u8>> {
    postcard::to_extend(&(VERSION, node, epoch, sequence), out)
}

/// The bytes that the chain hashes.
///
/// # Errors
///
/// Never in practice: memory takes every record.
pub fn canonical(record: &CallRecord) -> postcard::Result<Vec<u8>> {
    let key = &record.key;
    append_body(prefix(Vec::with_capacity(1024), &key.node, key.epoch, key.sequence)?, record)
}

/// Whose record these bytes are.
pub(super) fn key_of(canonical: &[u8]) -> Result<RecordKey, DecodeError> {
    split(canonical).map(|(key, _)| key)
}

/// A record from its canonical bytes and the hash beside them.
pub(super) fn decode(canonical: &[u8], hash: ChainHash) -> Result<CallRecord, DecodeError> {
    type First = (String, String, SocketAddr, Arc<str>, Sides, Sides);
    type Second = (Times, u16, End, Vec<Attempt>, Vec<StageRecord>, Vec<(String, String)>);
    let (key, body) = split(canonical)?;
    let ((first, second), rest) = postcard::take_from_bytes::<(First, Second)>(body)?;
    if !rest.is_empty() {
        return Err(DecodeError::TooLong);
    }
    let (call_id, customer, source, transport, caller, callee) = first;
    let (times, code, end, attempts, stages, attributes) = second;
    Ok(CallRecord {
        key,
        hash,
        call_id,
        customer,
        source,
        transport,
        caller,
        callee,
        times,
        code,
        end,
        attempts,
        stages,
        attributes,
    })
}

fn split(canonical: &[u8]) -> Result<(RecordKey, &[u8]), DecodeError> {
    match canonical.first() {
        None | Some(&VERSION) => {}
        Some(&other) => return Err(DecodeError::Version(other)),
    }
    let ((_, node, epoch, sequence), body) = postcard::take_from_bytes::<(u8, Arc<str>, u64, u64)>(canonical)?;
    Ok((RecordKey { node, epoch, sequence }, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::testing::call;

    #[test]
    fn a_record_is_read_back_as_it_was_and_from_json_has_the_same_bytes() {
        let mut record = *call(7);
        record.key = RecordKey { node: "edge-1".into(), epoch: 1_763_869_000, sequence: 300 };
        let bytes = canonical(&record).unwrap();
        assert_eq!(decode(&bytes, record.hash).unwrap(), record);
        let stored: CallRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(canonical(&stored).unwrap(), bytes);
        assert!(bytes.len() * 3 < serde_json::to_vec(&record).unwrap().len(), "{} bytes", bytes.len());
    }

    #[test]
    fn the_form_is_what_it_was_so_that_old_chains_can_be_proven() {
        let mut record = *call(1);
        record.key = RecordKey { node: "n".into(), epoch: 2, sequence: 3 };
        assert_eq!(ChainHash::NONE.next_of(&record).unwrap().to_string(), PINNED);
    }

    /// Changes only with the version.
    const PINNED: &str = "a013061c75872ab36469d1bb6f13db1f8a8cd9eccab450d97511554b326735b4";

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        let bytes = canonical(&call(7)).unwrap();
        assert_eq!(decode(&[9, 0], ChainHash::NONE), Err(DecodeError::Version(9)));
        assert_eq!(decode(&[bytes.as_slice(), b"x"].concat(), ChainHash::NONE), Err(DecodeError::TooLong));
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end], ChainHash::NONE).is_err(), "cut at {end}");
        }
    }
}
