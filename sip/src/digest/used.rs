//! Which nonce counts were used: a captured answer is good for nothing (RFC 7616 section 5.5).
//!
//! A fixed number of places in small sets. Only who has shown right credentials takes one. When a set is full, its oldest
//! nonce gives way and is no longer good, so that forgetting lets nobody in.

use std::sync::{Mutex, TryLockError};

/// 16 384 nonces, 1 MiB.
const SETS: usize = 2048;
const WAYS: usize = 8;
/// Counts below the highest one that may still come: requests overtake each other.
const WINDOW: u32 = 64;

#[derive(Debug)]
pub(super) struct Used(Box<[Mutex<Set>]>);

#[derive(Debug, Default)]
struct Set {
    nonces: [Option<Nonce>; WAYS],
    /// When the newest of those was made that had to give way.
    forgotten: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Nonce {
    salt: u64,
    made: u64,
    highest: u32,
    /// Bit `n`: whether `highest - 1 - n` was used.
    below: u64,
}

impl Used {
    pub(super) fn new() -> Self {
        Self((0..SETS).map(|_| Mutex::default()).collect())
    }

    /// Use this count of a nonce; false where it was used, or where that cannot be told. Waits for nobody: who finds its
    /// set in use by another asks for another nonce.
    pub(super) fn take(&self, salt: u64, made: u64, count: u32) -> bool {
        let Some(set) = self.0.get(salt as usize % SETS) else { return false };
        let mut set = match set.try_lock() {
            Ok(set) => set,
            Err(TryLockError::Poisoned(set)) => set.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        set.take(salt, made, count)
    }
}

impl Set {
    fn take(&mut self, salt: u64, made: u64, count: u32) -> bool {
        let same = |nonce: &&mut Nonce| nonce.salt == salt && nonce.made == made;
        if let Some(nonce) = self.nonces.iter_mut().flatten().find(same) {
            return nonce.take(count);
        }
        if self.forgotten.is_some_and(|forgotten| made <= forgotten) {
            return false;
        }
        // An empty place is older than all.
        if let Some(oldest) = self.nonces.iter_mut().min_by_key(|nonce| nonce.map(|nonce| nonce.made)) {
            self.forgotten = self.forgotten.max(oldest.map(|nonce| nonce.made));
            *oldest = Some(Nonce { salt, made, highest: count, below: 0 });
        }
        true
    }
}

impl Nonce {
    fn take(&mut self, count: u32) -> bool {
        if let Some(ahead) = count.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            let before = 1_u64.checked_shl(ahead - 1).unwrap_or_default();
            self.below = self.below.checked_shl(ahead).unwrap_or_default() | before;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let bit = 1_u64 << (behind.wrapping_sub(1) % WINDOW);
        let new = (1..=WINDOW).contains(&behind) && self.below & bit == 0;
        if new {
            self.below |= bit;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_count_is_good_once_in_whatever_order_they_come() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let used = Used::new();
            let mut taken = HashSet::new();
            let mut highest = 0;
            for _ in 0..200 {
                let count = (highest + rng.u32(0..6)).saturating_sub(rng.u32(0..6)).max(1);
                highest = highest.max(count);
                assert_eq!(used.take(1, 2, count), taken.insert(count), "{count} of {highest}");
            }
        }
    }

    #[test]
    fn a_count_far_below_the_highest_is_not_good() {
        let used = Used::new();
        for (count, good) in [(100, true), (36, true), (36, false), (35, false), (1_000_000, true), (100, false)] {
            assert_eq!(used.take(1, 2, count), good, "{count}");
        }
        assert!(used.take(1, 2, u32::MAX) && !used.take(1, 2, u32::MAX) && used.take(1, 2, u32::MAX - 64));
    }

    #[test]
    fn a_nonce_that_had_to_give_way_is_not_good_again() {
        let used = Used::new();
        let salt = |turn: u64| turn * SETS as u64;
        for turn in 0..=WAYS as u64 {
            assert!(used.take(salt(turn), 100 + turn, 1), "{turn}");
        }
        assert!(!used.take(salt(0), 100, 1) && !used.take(salt(0), 100, 2), "the oldest is gone");
        assert!(!used.take(salt(1), 101, 1) && used.take(salt(1), 101, 2), "the others are known");
        assert!(!used.take(salt(99), 100, 1), "whatever is as old might have been used");
        assert!(used.take(salt(99), 200, 1));
    }
}
