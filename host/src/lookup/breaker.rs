//! Flies past a failing service at once, and finds out by itself when it is back.
//!
//! Closed, it counts failures; so many within the window open it. Open, it refuses in nanoseconds. When the time is
//! over, one request is let through as a probe: its success closes the breaker, its failure opens it anew.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::clock::{Clock, nanos};
use crate::config::model;

const CLOSED: u64 = 0;
/// A probe is under way: open until it has ended.
const PROBING: u64 = u64::MAX;

/// A service's breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    service: Arc<str>,
    clock: Clock,
    failures: usize,
    window: u64,
    open: u64,
    /// [`CLOSED`], [`PROBING`], or when the next probe may go.
    gate: AtomicU64,
    /// The times of the last failures. Locked on failures and transitions only.
    recent: Mutex<VecDeque<u64>>,
    opened: AtomicU64,
}

/// The leave to send one request. Whoever holds it says how the request ended; dropping it says that nobody knows.
#[derive(Debug)]
pub(super) struct Ticket {
    breaker: Arc<Breaker>,
    probe: bool,
    reported: bool,
}

impl Breaker {
    pub(super) fn new(service: Arc<str>, config: &model::Breaker, clock: Clock) -> Self {
        Self {
            service,
            clock,
            failures: config.failures.max(1) as usize,
            window: nanos(config.window.get()),
            open: nanos(config.open.get()),
            gate: AtomicU64::new(CLOSED),
            recent: Mutex::default(),
            opened: AtomicU64::new(0),
        }
    }

    /// `None` while it is open.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Ticket> {
        let gate = self.gate.load(Ordering::Acquire);
        let probe = gate != CLOSED;
        if probe {
            if self.clock.now() < gate {
                return None;
            }
            // Of all who come after the time is over, one wins the probe.
            self.gate.compare_exchange(gate, PROBING, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        }
        Some(Ticket { breaker: Arc::clone(self), probe, reported: false })
    }

    /// Whether requests are refused now.
    pub(super) fn is_open(&self) -> bool {
        let gate = self.gate.load(Ordering::Acquire);
        gate != CLOSED && self.clock.now() < gate
    }

    /// How often it went from closed to open.
    pub(super) fn times_opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    fn failed(&self, probe: bool) {
        let now = self.clock.now();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if probe {
            self.gate.store(now.saturating_add(self.open).min(PROBING - 1), Ordering::Release);
            return;
        }
        if self.gate.load(Ordering::Acquire) != CLOSED {
            // It went out before the breaker opened and tells nothing new.
            return;
        }
        while recent.len() >= self.failures {
            recent.pop_front();
        }
        recent.push_back(now);
        let within = recent.front().is_some_and(|first| now - first <= self.window);
        if recent.len() == self.failures && within {
            recent.clear();
            self.opened.fetch_add(1, Ordering::Relaxed);
            self.gate.store(now.saturating_add(self.open).min(PROBING - 1), Ordering::Release);
            let seconds = self.open as f64 / 1e9;
            tracing::warn!(service = %self.service, failures = self.failures, seconds, "breaker opened");
        }
    }

    fn succeeded(&self, probe: bool) {
        if probe {
            self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.gate.store(CLOSED, Ordering::Release);
            tracing::info!(service = %self.service, "breaker closed");
        }
    }
}

impl Ticket {
    pub(super) fn succeeded(mut self) {
        self.reported = true;
        self.breaker.succeeded(self.probe);
    }

    pub(super) fn failed(mut self) {
        self.reported = true;
        self.breaker.failed(self.probe);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.probe && !self.reported {
            // The next request may probe at once: a breaker must not stay open because a probe was given up.
            self.breaker.gate.store(self.breaker.clock.now(), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::units::TimeSpan;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> (Arc<Breaker>, Clock) {
        let clock = Clock::new();
        let config = model::Breaker { failures: 3, window: TimeSpan::from_secs(10), open: TimeSpan::from_secs(5) };
        (Arc::new(Breaker::new("lrn".into(), &config, clock.clone())), clock)
    }

    fn fail(breaker: &Arc<Breaker>, times: usize) {
        for _ in 0..times {
            breaker.admit().expect("it is closed").failed();
        }
    }

    #[test]
    fn so_many_failures_within_the_window_open_it() {
        let (breaker, clock) = breaker();
        fail(&breaker, 2);
        clock.advance(11 * SECOND);
        fail(&breaker, 2);
        assert!(!breaker.is_open(), "the first two are too old");
        fail(&breaker, 1);
        assert!(breaker.admit().is_none());
        assert_eq!(breaker.times_opened(), 1);
    }

    #[test]
    fn after_its_time_one_probe_goes_and_its_success_closes_it() {
        let (breaker, clock) = breaker();
        fail(&breaker, 3);
        clock.advance(6 * SECOND);
        let probe = breaker.admit().expect("a probe may go");
        assert!(breaker.admit().is_none(), "one at a time");
        probe.succeeded();
        fail(&breaker, 2);
        assert!(!breaker.is_open(), "the failures from before count no more");
    }

    #[test]
    fn a_probe_that_fails_opens_it_anew() {
        let (breaker, clock) = breaker();
        fail(&breaker, 3);
        clock.advance(6 * SECOND);
        breaker.admit().expect("a probe may go").failed();
        clock.advance(4 * SECOND);
        assert!(breaker.admit().is_none());
        clock.advance(2 * SECOND);
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn a_probe_that_is_given_up_lets_the_next_one_probe() {
        let (breaker, clock) = breaker();
        fail(&breaker, 3);
        clock.advance(6 * SECOND);
        drop(breaker.admit().expect("a probe may go"));
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn requests_from_before_it_opened_change_nothing() {
        let (breaker, clock) = breaker();
        let (late_failure, late_success) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        fail(&breaker, 3);
        clock.advance(4 * SECOND);
        late_failure.failed();
        late_success.succeeded();
        assert!(breaker.is_open());
        clock.advance(2 * SECOND);
        assert!(!breaker.is_open(), "the late failure did not prolong it");
    }
}
