//! The hashes of RFC 7616 and RFC 8760, and comparing them in constant time.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// A hash algorithm, and whether it is the session variant of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Md5Session,
    Sha256,
    Sha256Session,
    Sha512_256,
    Sha512_256Session,
}

impl Algorithm {
    const ALL: [Self; 6] =
        [Self::Md5, Self::Md5Session, Self::Sha256, Self::Sha256Session, Self::Sha512_256, Self::Sha512_256Session];

    /// That of credentials; MD5 where they name none (RFC 7616 section 3.4).
    pub(super) fn of(name: Option<&[u8]>) -> Option<Self> {
        let Some(name) = name else { return Some(Self::Md5) };
        Self::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(name))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Session => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Session => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Session => "SHA-512-256-sess",
        }
    }

    pub(super) const fn is_session(self) -> bool {
        matches!(self, Self::Md5Session | Self::Sha256Session | Self::Sha512_256Session)
    }

    /// The hash of the parts one after the other, as lower-case hexadecimal digits.
    pub(super) fn hex(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 | Self::Md5Session => hex(&hashed::<Md5>(parts)),
            Self::Sha256 | Self::Sha256Session => hex(&hashed::<Sha256>(parts)),
            Self::Sha512_256 | Self::Sha512_256Session => hex(&hashed::<Sha512_256>(parts)),
        }
    }
}

fn hashed<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().to_vec()
}

/// HMAC-SHA-256 (RFC 2104).
pub(super) fn hmac(key: &[u8; 32], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..32].copy_from_slice(key);
    let inner = hashed::<Sha256>(&[&block.map(|b| b ^ 0x36), text]);
    hashed::<Sha256>(&[&block.map(|b| b ^ 0x5c), &inner])
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Whether both are the same, in a time that depends on their lengths alone.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}
