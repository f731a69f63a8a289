//! The time by which answers age and breakers cool down.

use std::time::{Duration, Instant};

/// Ten years.
const BEFORE: u64 = 10 * 365 * 86_400 * 1_000_000_000;

/// Monotonic time. A clone reads the same clock.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    origin: Instant,
    /// Tests move it: an hour of ageing takes no hour.
    #[cfg(test)]
    ahead: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            #[cfg(test)]
            ahead: std::sync::Arc::default(),
        }
    }

    /// Nanoseconds since ten years before this clock was made, so that what another node loaded has its place on it.
    /// Never 0, so that 0 can mean "never". 64 bits last 584 years.
    pub(super) fn now(&self) -> u64 {
        let passed = nanos(self.origin.elapsed()).saturating_add(BEFORE);
        #[cfg(test)]
        let passed = passed + self.ahead.load(std::sync::atomic::Ordering::Relaxed);
        passed
    }

    #[cfg(test)]
    pub(super) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(nanos(by), std::sync::atomic::Ordering::Relaxed);
    }
}

/// Saturating: a `ttl` of a thousand years is for ever.
pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
