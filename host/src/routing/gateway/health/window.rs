//! Counts over a span of time, each in one atomic word.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::sip::time::Time;

/// Which span of time (24 bits), and two counts of 20 bits.
const PART: u32 = 20;
const MASK: u64 = (1 << PART) - 1;
const SPAN: u64 = (1 << 24) - 1;

fn pack(span: u64, first: u64, second: u64) -> u64 {
    ((span & SPAN) << (2 * PART)) | (first.min(MASK) << PART) | second.min(MASK)
}

fn unpack(word: u64) -> (u64, u64, u64) {
    (word >> (2 * PART), (word >> PART) & MASK, word & MASK)
}

/// Spans from `then` to `now`; none where another worker's clock was read a moment later.
fn passed(then: u64, now: u64) -> u64 {
    let passed = (now & SPAN).wrapping_sub(then) & SPAN;
    if passed > SPAN / 2 { 0 } else { passed }
}

/// No more than so many in any second: what the last whole second had counts by the share of it that is less than a
/// second ago.
#[derive(Debug, Default)]
pub(super) struct PerSecond(AtomicU64);

const MICROS: u64 = 1_000_000;

impl PerSecond {
    /// Takes one of `max`.
    pub(super) fn take(&self, now: Time, max: u32) -> bool {
        let (second, into) = (now.micros() / MICROS, now.micros() % MICROS);
        let one_more = |word| {
            let (then, before, held) = unpack(word);
            let (second, before, held) = match passed(then, second) {
                0 => (then, before, held),
                1 => (second, held, 0),
                _ => (second, 0, 0),
            };
            let lately = (before * (MICROS - into)).div_ceil(MICROS) + held;
            (lately < u64::from(max)).then(|| pack(second, before, held + 1))
        };
        self.0.fetch_update(Relaxed, Relaxed, one_more).is_ok()
    }
}

/// How many, and how many of them failed, since the window began.
#[derive(Debug, Default)]
pub(super) struct Ratio(AtomicU64);

impl Ratio {
    /// Counts one; all and the failed ones of this window.
    pub(super) fn count(&self, now: Time, window: Duration, failed: bool) -> (u32, u32) {
        let window = u64::try_from(window.as_micros()).unwrap_or(u64::MAX).max(1);
        let span = now.micros() / window;
        let count = |word| {
            let (then, all, bad) = unpack(word);
            let (then, all, bad) = if passed(then, span) == 0 { (then, all, bad) } else { (span, 0, 0) };
            pack(then, all + 1, bad + u64::from(failed))
        };
        let word = self.0.fetch_update(Relaxed, Relaxed, |word| Some(count(word))).map_or(0, count);
        let (_, all, bad) = unpack(word);
        (all as u32, bad as u32)
    }

    /// Begin anew.
    pub(super) fn forget(&self) {
        self.0.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(1_000_000_000 + millis * 1_000)
    }

    #[test]
    fn no_second_has_more_than_it_may_wherever_it_begins() {
        let seconds = PerSecond::default();
        let mut taken = Vec::new();
        for milli in 0..5_000 {
            if seconds.take(at(milli), 10) {
                taken.push(milli);
            }
        }
        for begin in 0..4_000 {
            let within = taken.iter().filter(|milli| (begin..begin + 1_000).contains(*milli)).count();
            assert!(within <= 10, "{within} in the second from {begin} ms");
        }
        assert!((45..=50).contains(&taken.len()), "{} in five seconds", taken.len());
    }

    #[test]
    fn a_quiet_gateway_takes_its_second_s_worth_at_once() {
        let seconds = PerSecond::default();
        assert_eq!((0..20).filter(|_| seconds.take(at(999), 10)).count(), 10);
        assert_eq!((0..20).filter(|_| seconds.take(at(1_001), 10)).count(), 0, "the second before is a moment ago");
        assert_eq!((0..20).filter(|_| seconds.take(at(9_000), 10)).count(), 10);
    }

    #[test]
    fn a_ratio_is_of_its_window() {
        let ratio = Ratio::default();
        for _ in 0..9 {
            ratio.count(at(0), Duration::from_secs(10), true);
        }
        assert_eq!(ratio.count(at(1), Duration::from_secs(10), false), (10, 9));
        assert_eq!(ratio.count(at(10_001), Duration::from_secs(10), true), (1, 1));
    }
}
