//! The bearer token.

use std::fmt;
use std::hint::black_box;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

/// `admin.token`, kept as its SHA-256: a comparison takes equally long wherever the tokens differ, and whatever
/// their lengths.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token that requests must carry.
    pub fn new(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether the request carries it, as `Authorization: Bearer TOKEN` (RFC 6750 section 2.1).
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(AUTHORIZATION) else { return false };
        let Some((scheme, token)) = split_scheme(value.as_bytes()) else { return false };
        scheme.eq_ignore_ascii_case(b"Bearer") && self.is(token)
    }

    fn is(&self, token: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(token).into();
        let difference = self.0.iter().zip(other).fold(0, |sum, (a, b)| sum | black_box(a ^ b));
        difference == 0
    }
}

fn split_scheme(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    Some((&value[..space], value[space + 1..].trim_ascii()))
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
