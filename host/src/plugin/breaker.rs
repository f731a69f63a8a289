//! Flies past a plugin that fails too often: one breaker per loaded stage, shared by all workers without a lock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::config::model;

/// Counts failures within a window; at the threshold it opens for a time, after which one call probes the plugin.
///
/// All times are microseconds since `base`. Races between workers can miscount a failure or two around the end of a
/// window, which moves the moment of opening by as many calls and nothing else.
#[derive(Debug)]
pub(super) struct Breaker {
    base: Instant,
    threshold: u32,
    window: u64,
    open: u64,
    window_start: AtomicU64,
    failures: AtomicU32,
    /// 0 while closed. While open, when the next probe is due; taking the probe moves it on, so that a probe whose
    /// end is never reported (its call was cancelled) is followed by another.
    open_until: AtomicU64,
}

/// What a breaker says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Run.
    Closed,
    /// Run: the outcome decides for all.
    Probe,
    /// Do not run.
    Refused,
}

/// How a breaker stands, for metrics and people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls run.
    Closed,
    /// Calls are skipped.
    Open,
    /// The next call probes.
    HalfOpen,
}

impl Breaker {
    pub(super) fn new(settings: &model::Breaker, base: Instant) -> Self {
        Self {
            base,
            threshold: settings.failures,
            window: micros(settings.window.get()),
            open: micros(settings.open.get()).max(1),
            window_start: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            open_until: AtomicU64::new(0),
        }
    }

    pub(super) fn admit(&self, now: Instant) -> Admission {
        let until = self.open_until.load(Relaxed);
        if until == 0 {
            return Admission::Closed;
        }
        let now = self.at(now);
        if now < until {
            return Admission::Refused;
        }
        match self.open_until.compare_exchange(until, now + self.open, Relaxed, Relaxed) {
            Ok(_) => Admission::Probe,
            Err(_) => Admission::Refused,
        }
    }

    /// The call that was admitted so ended well. Returns whether that closed the breaker.
    pub(super) fn succeeded(&self, admission: Admission) -> bool {
        if admission != Admission::Probe {
            return false;
        }
        self.failures.store(0, Relaxed);
        self.open_until.store(0, Relaxed);
        true
    }

    /// The call that was admitted so failed. Returns whether that opened the breaker.
    pub(super) fn failed(&self, admission: Admission, now: Instant) -> bool {
        let now = self.at(now);
        if admission == Admission::Probe {
            self.open_until.store(now + self.open, Relaxed);
            return false;
        }
        let failures = if now.saturating_sub(self.window_start.load(Relaxed)) > self.window {
            self.window_start.store(now, Relaxed);
            self.failures.store(1, Relaxed);
            1
        } else {
            self.failures.fetch_add(1, Relaxed).saturating_add(1)
        };
        // A call that was admitted before it opened must not prolong the opening.
        failures >= self.threshold && self.open_until.compare_exchange(0, now + self.open, Relaxed, Relaxed).is_ok()
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match self.open_until.load(Relaxed) {
            0 => BreakerState::Closed,
            until if self.at(now) < until => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    fn at(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.base)).max(1)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX / 2).min(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::units::TimeSpan;

    struct Rig {
        breaker: Breaker,
        base: Instant,
    }

    impl Rig {
        /// 3 failures within 10 s open it for 5 s.
        fn new() -> Self {
            let base = Instant::now();
            let settings =
                model::Breaker { failures: 3, window: TimeSpan::from_secs(10), open: TimeSpan::from_secs(5) };
            Self { breaker: Breaker::new(&settings, base), base }
        }

        fn after(&self, seconds: u64) -> Instant {
            self.base + Duration::from_secs(seconds)
        }

        fn fail_at(&self, seconds: u64) {
            let admission = self.breaker.admit(self.after(seconds));
            self.breaker.failed(admission, self.after(seconds));
        }
    }

    #[test]
    fn opens_at_the_threshold_and_not_before() {
        let rig = Rig::new();
        rig.fail_at(1);
        rig.fail_at(1);
        assert_eq!(rig.breaker.admit(rig.after(1)), Admission::Closed);
        rig.fail_at(1);
        assert_eq!(rig.breaker.admit(rig.after(2)), Admission::Refused);
        assert_eq!(rig.breaker.state(rig.after(2)), BreakerState::Open);
    }

    #[test]
    fn failures_spread_over_more_than_the_window_leave_it_closed() {
        let rig = Rig::new();
        for seconds in [1, 12, 23, 34, 45] {
            rig.fail_at(seconds);
        }
        assert_eq!(rig.breaker.admit(rig.after(46)), Admission::Closed);
    }

    #[test]
    fn one_probe_decides_for_all() {
        let rig = Rig::new();
        (0..3).for_each(|_| rig.fail_at(1));
        assert_eq!(rig.breaker.state(rig.after(7)), BreakerState::HalfOpen);
        let probe = rig.breaker.admit(rig.after(7));
        assert_eq!(probe, Admission::Probe);
        assert_eq!(rig.breaker.admit(rig.after(7)), Admission::Refused, "only one call probes");
        assert!(rig.breaker.succeeded(probe));
        assert_eq!(rig.breaker.admit(rig.after(7)), Admission::Closed);
    }

    #[test]
    fn a_failed_probe_keeps_it_open_for_another_time() {
        let rig = Rig::new();
        (0..3).for_each(|_| rig.fail_at(1));
        rig.fail_at(7);
        assert_eq!(rig.breaker.admit(rig.after(11)), Admission::Refused);
        assert_eq!(rig.breaker.admit(rig.after(13)), Admission::Probe);
    }

    #[test]
    fn a_probe_that_never_reports_is_followed_by_another() {
        let rig = Rig::new();
        (0..3).for_each(|_| rig.fail_at(1));
        assert_eq!(rig.breaker.admit(rig.after(7)), Admission::Probe);
        assert_eq!(rig.breaker.admit(rig.after(13)), Admission::Probe);
    }
}
