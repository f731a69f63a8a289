//! Nonces that tell their own age, and what was done with them.

use super::hash::{equal, hex, hmac};
use super::used::Used;

/// For how many seconds an answer to a challenge is taken. A longer one spares busy trunks a round trip, a shorter one
/// frees the memory of its uses earlier.
pub const NONCE_LIFETIME: u64 = 60;

/// How many seconds ahead the clock may be: it may have been set back.
const CLOCK_SKEW: u64 = 5;
/// Hexadecimal digits of the time, of what tells nonces of one second apart, and of the keyed hash of both.
const TIME_DIGITS: usize = 16;
const SALT_DIGITS: usize = 16;
const HASH_DIGITS: usize = 32;

/// A node's nonces. What was challenged and not answered takes no memory.
pub struct Nonces {
    secret: [u8; 32],
    used: Used,
}

impl Nonces {
    /// Signed with these bytes, from a good source of randomness.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret, used: Used::new() }
    }

    /// A nonce for a challenge made at `now`, in seconds since 1970-01-01 00:00 UTC; `salt` is any number that no other
    /// has. Opaque to the caller.
    pub(super) fn make(&self, now: u64, salt: u64) -> String {
        let told = format!("{now:016x}{salt:016x}");
        let hash = self.hash_of(told.as_bytes());
        told + &hash
    }

    /// Whether this is a nonce of ours that has not expired, and this count of it was not used before. It now is.
    pub(super) fn take(&self, nonce: &[u8], count: u32, now: u64) -> bool {
        if nonce.len() != TIME_DIGITS + SALT_DIGITS + HASH_DIGITS {
            return false;
        }
        let (told, hash) = nonce.split_at(TIME_DIGITS + SALT_DIGITS);
        if !equal(self.hash_of(told).as_bytes(), hash) {
            return false;
        }
        let (made, salt) = told.split_at(TIME_DIGITS);
        let number = |digits| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let (Some(made), Some(salt)) = (number(made), number(salt)) else { return false };
        let fresh = made <= now.saturating_add(CLOCK_SKEW) && now.saturating_sub(made) <= NONCE_LIFETIME;
        fresh && self.used.take(salt, made, count)
    }

    fn hash_of(&self, told: &[u8]) -> String {
        hex(hmac(&self.secret, told).get(..HASH_DIGITS / 2).unwrap_or_default())
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the secret.
        f.write_str("Nonces")
    }
}
