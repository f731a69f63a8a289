//! Nonces that tell their own age.

use super::hash::{equal, hex, hmac};

/// For how many seconds an answer to a challenge is taken. A longer one spares busy trunks a round trip, a shorter one
/// narrows the time in which a captured answer can be replayed.
pub const NONCE_LIFETIME: u64 = 60;

/// How many seconds ahead another node's clock may be.
const CLOCK_SKEW: u64 = 5;
/// Hexadecimal digits of the time and of the keyed hash.
const TIME_DIGITS: usize = 16;
const HASH_DIGITS: usize = 32;

/// What a node knows and a caller does not: 32 random bytes.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Of these bytes, from a good source of randomness.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Whether this is a nonce of ours that has not expired.
    pub(super) fn holds(&self, nonce: &[u8], now: u64) -> bool {
        if nonce.len() != TIME_DIGITS + HASH_DIGITS {
            return false;
        }
        let (time, hash) = nonce.split_at(TIME_DIGITS);
        let made = std::str::from_utf8(time).ok().and_then(|time| u64::from_str_radix(time, 16).ok());
        let ours = equal(self.hash_of(time).as_bytes(), hash);
        ours && made
            .is_some_and(|made| made <= now.saturating_add(CLOCK_SKEW) && now.saturating_sub(made) <= NONCE_LIFETIME)
    }

    fn hash_of(&self, time: &[u8]) -> String {
        hex(hmac(&self.0, time).get(..HASH_DIGITS / 2).unwrap_or_default())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A nonce for a challenge made at `now`, in seconds since 1970-01-01 00:00 UTC. Opaque to the caller.
pub fn nonce(secret: &Secret, now: u64) -> String {
    let time = format!("{now:016x}");
    let hash = secret.hash_of(time.as_bytes());
    time + &hash
}
