//! Flies past a failing or slow service at once, and finds out by itself when it is back.
//!
//! Closed, it counts failures and slow answers; so many failures within the window, or such a share of slow ones, open
//! it. Open, it refuses in nanoseconds. When the time is over, one request is let through as a probe: its success
//! closes the breaker, its failure opens it anew. An operator can hold it open or closed.

mod pace;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::pace::Pace;
use super::clock::{Clock, nanos};
use super::events::Events;
use crate::config::model;

const CLOSED: u64 = 0;
/// A probe is under way: open until it has ended.
const PROBING: u64 = u64::MAX;

/// Who decides over a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Hold {
    /// It does.
    Auto = 0,
    /// An operator: nothing is asked.
    Open = 1,
    /// An operator: everything is asked.
    Closed = 2,
}

/// A service's breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    service: Arc<str>,
    clock: Clock,
    failures: usize,
    window: u64,
    open: u64,
    slow: Duration,
    slow_percent: u8,
    /// [`CLOSED`], [`PROBING`], or when the next probe may go.
    gate: AtomicU64,
    hold: AtomicU8,
    /// Locked when a request ends, never by an answer from memory.
    recent: Mutex<Recent>,
    opened: AtomicU64,
    events: Events,
}

#[derive(Debug, Default)]
struct Recent {
    /// The times of the last failures.
    failures: VecDeque<u64>,
    pace: Pace,
}

/// The leave to send one request. Whoever holds it says how the request ended; dropping it says that nobody knows.
#[derive(Debug)]
pub(super) struct Ticket {
    breaker: Arc<Breaker>,
    probe: bool,
    reported: bool,
}

impl Breaker {
    /// `deadline` is what an answer is slow by where the configuration says nothing.
    pub(super) fn new(
        service: Arc<str>,
        config: &model::ServiceBreaker,
        deadline: Duration,
        clock: Clock,
        events: Events,
    ) -> Self {
        Self {
            service,
            clock,
            failures: config.failures.max(1) as usize,
            window: nanos(config.window.get()),
            open: nanos(config.open.get()),
            slow: config.slow.map_or(deadline, super::super::config::units::TimeSpan::get),
            slow_percent: config.slow_percent,
            gate: AtomicU64::new(CLOSED),
            hold: AtomicU8::new(Hold::Auto as u8),
            recent: Mutex::default(),
            opened: AtomicU64::new(0),
            events,
        }
    }

    /// `None` while it is open.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Ticket> {
        let ticket = |probe| Some(Ticket { breaker: Arc::clone(self), probe, reported: false });
        match self.hold() {
            Hold::Auto => {}
            Hold::Open => return None,
            Hold::Closed => return ticket(false),
        }
        let gate = self.gate.load(Ordering::Acquire);
        let probe = gate != CLOSED;
        if probe {
            if self.clock.now() < gate {
                return None;
            }
            // Of all who come after the time is over, one wins the probe.
            self.gate.compare_exchange(gate, PROBING, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        }
        ticket(probe)
    }

    /// Whether requests are refused now.
    pub(super) fn is_open(&self) -> bool {
        match self.hold() {
            Hold::Open => true,
            Hold::Closed => false,
            Hold::Auto => {
                let gate = self.gate.load(Ordering::Acquire);
                gate != CLOSED && self.clock.now() < gate
            }
        }
    }

    /// Whether its time is over and no probe has succeeded since: the next request is one.
    pub(super) fn is_half_open(&self) -> bool {
        self.hold() == Hold::Auto && self.gate.load(Ordering::Acquire) != CLOSED && !self.is_open()
    }

    /// Who decides.
    pub(super) fn hold(&self) -> Hold {
        match self.hold.load(Ordering::Acquire) {
            1 => Hold::Open,
            2 => Hold::Closed,
            _ => Hold::Auto,
        }
    }

    /// Whoever held it before, this holds now. Given back to itself, it begins closed and knows of no failure.
    pub(super) fn set_hold(&self, hold: Hold) {
        let was_open = self.is_open();
        let mut recent = self.recent();
        if hold == Hold::Auto {
            *recent = Recent::default();
            self.gate.store(CLOSED, Ordering::Release);
        }
        self.hold.store(hold as u8, Ordering::Release);
        drop(recent);
        if was_open != self.is_open() {
            let state = if was_open { "closed" } else { "open" };
            self.events.tell(&self.service, state, "an operator said so".to_owned());
        }
    }

    /// How often it went from closed to open by itself.
    pub(super) fn times_opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, probe: bool, well: bool, took: Duration) {
        let now = self.clock.now();
        let slow = took >= self.slow;
        let mut recent = self.recent();
        if probe {
            if well && !slow {
                *recent = Recent::default();
                self.gate.store(CLOSED, Ordering::Release);
                drop(recent);
                self.events.tell(&self.service, "closed", "the probe succeeded".to_owned());
            } else {
                self.shut(now);
            }
            return;
        }
        if self.gate.load(Ordering::Acquire) != CLOSED {
            // It went out before the breaker opened and tells nothing new.
            return;
        }
        let mut why = None;
        if !well {
            while recent.failures.len() >= self.failures {
                recent.failures.pop_front();
            }
            recent.failures.push_back(now);
            let within = recent.failures.front().is_some_and(|first| now - first <= self.window);
            if recent.failures.len() == self.failures && within {
                why = Some(format!("{} failures within {} s", self.failures, seconds(self.window)));
            }
        }
        if recent.pace.count(now, self.window, slow, self.slow_percent) {
            let millis = self.slow.as_millis();
            why = why.or(Some(format!("{} % or more of the answers took {millis} ms or more", self.slow_percent)));
        }
        let Some(why) = why else { return };
        if self.hold() == Hold::Closed {
            return;
        }
        recent.failures.clear();
        recent.pace.clear();
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.shut(now);
        drop(recent);
        self.events.tell(&self.service, "open", format!("{why}; a probe in {} s", seconds(self.open)));
    }

    fn shut(&self, now: u64) {
        self.gate.store(now.saturating_add(self.open).min(PROBING - 1), Ordering::Release);
    }
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

impl Ticket {
    /// The request has ended after so long; `well` says whether the answer speaks for the service.
    pub(super) fn ended(mut self, well: bool, took: Duration) {
        self.reported = true;
        self.breaker.ended(self.probe, well, took);
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
mod tests;
