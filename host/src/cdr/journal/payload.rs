//! The payload of a record's frame: 32 bytes of hash, 8 of the call's name (zeros where no start was journalled), and
//! the record's canonical bytes.

use super::frame::EncodeError;
use crate::cdr::chain::ChainHash;
use crate::cdr::codec;

/// Where the call's name stands.
pub(super) const CALL: usize = 32;
const HEAD: usize = 40;

/// One record, taken apart.
pub(super) struct Payload<'a> {
    pub(super) hash: ChainHash,
    pub(super) canonical: &'a [u8],
}

impl<'a> Payload<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let hash: [u8; 32] = bytes.get(..CALL)?.try_into().ok()?;
        Some(Self { hash: hash.into(), canonical: bytes.get(HEAD..)? })
    }
}

/// Appends a payload; returns the record's hash.
pub(super) fn append(
    out: &mut Vec<u8>,
    before: ChainHash,
    call: u64,
    (node, epoch, sequence): (&str, u64, u64),
    body: &[u8],
) -> Result<ChainHash, EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; 32]);
    out.extend_from_slice(&call.to_le_bytes());
    *out = codec::prefix(std::mem::take(out), node, epoch, sequence)?;
    out.extend_from_slice(body);
    let hash = before.next(&out[start + HEAD..]);
    out[start..start + 32].copy_from_slice(hash.bytes());
    Ok(hash)
}
