//! A gateway's limits and health, shared by all workers: read and changed by atomics alone, on the way of every call.

mod window;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;

use self::window::{PerSecond, Ratio};
use super::aside::Aside;
use crate::config::model;
use crate::events::{self, Event};
use crate::locate::Order;
use crate::sip::codes::{CodeSet, Pattern};
use crate::sip::gate::{Closed, Gate, Sign};
use crate::sip::time::Time;

/// One gateway as one configuration bounds it, and what it has shown so far.
#[derive(Debug)]
pub struct Health {
    name: Arc<str>,
    max_calls: Option<u32>,
    max_cps: Option<u32>,
    down_after: u32,
    up_after: u32,
    /// Final failures that count as an answer to a probe; a 2xx always does.
    accepted: CodeSet,
    failures: model::Failures,
    /// Which of its addresses are tried last.
    aside: Aside,
    /// Swapped by a reload, before a call comes by it.
    state: ArcSwap<State>,
}

/// Outlives reloads.
#[derive(Debug, Default)]
struct State {
    calls: AtomicU32,
    second: PerSecond,
    ratio: Ratio,
    /// Microseconds of the node's clock.
    aside_until: AtomicU64,
    down: AtomicBool,
    off: AtomicBool,
    /// Probes in a row that went otherwise than the state says.
    against: AtomicU32,
    /// The last probe's code; 0 where nothing came, and before the first.
    probed: AtomicU16,
    passed_full: AtomicU64,
    passed_down: AtomicU64,
}

/// Whether a gateway takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    Up,
    /// It is set aside for a time: its calls fail, or it asked for rest.
    Aside,
    /// Its probes fail.
    Down,
    /// An operator has switched it off.
    Off,
}

impl Condition {
    /// As the admin API and the metrics page call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Aside => "aside",
            Self::Down => "down",
            Self::Off => "disabled",
        }
    }
}

/// A gateway at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Whether it takes calls.
    pub condition: Condition,
    /// Calls that it has.
    pub calls: u32,
    /// Calls that went past it because it was full, since the start.
    pub passed_full: u64,
    /// Calls that went past it because it was down, aside or disabled, since the start.
    pub passed_down: u64,
    /// The code of the last probe; `None` where it had no answer, and before the first.
    pub probed: Option<u16>,
}

impl Health {
    pub(super) fn of(name: &Arc<str>, config: &model::Gateway) -> Self {
        let accept = &config.probe_accept;
        // Our own 408 never counts, and one from behind a proxy means as little, unless the operator writes it out.
        let silence: &[Pattern] = if accept.contains(&Pattern::Code(408)) { &[] } else { &[Pattern::Code(408)] };
        Self {
            name: Arc::clone(name),
            max_calls: config.max_calls,
            max_cps: config.max_cps,
            down_after: config.down_after,
            up_after: config.up_after,
            accepted: CodeSet::of(accept).changed(&[], silence),
            failures: config.failures.clone(),
            aside: Aside::default(),
            state: ArcSwap::default(),
        }
    }

    /// These addresses of it, those that did not answer of late behind the others.
    pub(super) fn silent_last(&self, order: Order) -> Order {
        self.aside.last(order)
    }

    /// Goes on with what the gateway of this name has shown before a reload.
    pub(super) fn go_on_from(&self, before: &Self) {
        self.state.store(before.state.load_full());
    }

    /// It is probed no more: what took it down would never bring it up again.
    pub(super) fn forget_probes(&self) {
        self.state.load().down.store(false, Relaxed);
    }

    /// Takes it out of the hunt, or back in. Calls in progress go on.
    pub fn switch(&self, on: bool) {
        if self.state.load().off.swap(!on, Relaxed) == on {
            tracing::warn!(gateway = &*self.name, "gateway {} by hand", if on { "enabled" } else { "disabled" });
            if on {
                self.tell_up();
            } else {
                self.tell_down("disabled by hand".to_owned());
            }
        }
    }

    /// How it is.
    pub fn report(&self, now: Time) -> Report {
        let state = self.state.load();
        let condition = match self.closed(now) {
            Some(Closed::Off) => Condition::Off,
            _ if state.down.load(Relaxed) => Condition::Down,
            Some(_) => Condition::Aside,
            None => Condition::Up,
        };
        Report {
            condition,
            calls: state.calls.load(Relaxed),
            passed_full: state.passed_full.load(Relaxed),
            passed_down: state.passed_down.load(Relaxed),
            probed: Some(state.probed.load(Relaxed)).filter(|code| *code > 0),
        }
    }

    fn tell_down(&self, reason: String) {
        events::publish(Event::GatewayDown { gateway: Arc::clone(&self.name), reason });
    }

    fn tell_up(&self) {
        events::publish(Event::GatewayUp { gateway: Arc::clone(&self.name) });
    }

    /// The end of a time aside is told at the first call that may go there again: until then nobody asks.
    fn tell_end_of_aside(&self, now: Time) {
        let aside = &self.state.load().aside_until;
        let until = aside.load(Relaxed);
        let over = until > 0 && until <= now.micros();
        if over && aside.compare_exchange(until, 0, Relaxed, Relaxed).is_ok() {
            self.tell_up();
        }
    }

    fn closed(&self, now: Time) -> Option<Closed> {
        let state = self.state.load();
        if state.off.load(Relaxed) {
            return Some(Closed::Off);
        }
        let unwell = state.down.load(Relaxed) || state.aside_until.load(Relaxed) > now.micros();
        unwell.then_some(Closed::Down)
    }

    fn has_room(&self, now: Time) -> bool {
        let state = self.state.load();
        let one_more = |calls: u32| (self.max_calls.is_none_or(|max| calls < max)).then(|| calls.saturating_add(1));
        if state.calls.fetch_update(Relaxed, Relaxed, one_more).is_err() {
            return false;
        }
        let in_time = self.max_cps.is_none_or(|max| state.second.take(now, max));
        if !in_time {
            self.leave();
        }
        in_time
    }
}

impl Gate for Health {
    fn enter(&self, now: Time, resort: bool) -> Result<(), Closed> {
        let state = self.state.load();
        if let Some(closed) = self.closed(now)
            && (closed == Closed::Off || !resort)
        {
            state.passed_down.fetch_add(1, Relaxed);
            return Err(closed);
        }
        self.tell_end_of_aside(now);
        if self.has_room(now) {
            return Ok(());
        }
        state.passed_full.fetch_add(1, Relaxed);
        Err(Closed::Full)
    }

    fn leave(&self) {
        self.state.load().calls.fetch_sub(1, Relaxed);
    }

    fn showed(&self, now: Time, sign: Sign) {
        let failures = &self.failures;
        if failures.calls == 0 {
            return;
        }
        let (calls, failed) = self.state.load().ratio.count(now, failures.window.get(), sign == Sign::Failing);
        let too_many = failed * 100 >= calls * failures.percent && calls >= failures.calls;
        if sign == Sign::Failing && too_many && self.closed(now).is_none() {
            let span = failures.aside.get();
            tracing::warn!(gateway = &*self.name, calls, failed, ?span, "gateway set aside: its calls fail");
            let state = self.state.load();
            state.ratio.forget();
            state.aside_until.fetch_max((now + span).micros(), Relaxed);
            self.tell_down(format!("{failed} of {calls} calls failed: aside for {span:?}"));
        }
    }

    fn silent(&self, address: SocketAddr) {
        let span = self.failures.aside.get();
        if self.aside.put(address, span) {
            tracing::info!(gateway = &*self.name, %address, ?span, "an address of a gateway does not answer: tried last");
        }
    }

    fn set_aside(&self, now: Time, span: Duration) {
        let until = (now + span).micros();
        if self.state.load().aside_until.fetch_max(until, Relaxed) < now.micros() {
            tracing::warn!(gateway = &*self.name, ?span, "gateway set aside: it asked for rest (503 with Retry-After)");
            self.tell_down(format!("it asked for rest: aside for {span:?}"));
        }
    }

    fn probed(&self, _now: Time, code: Option<u16>) {
        let state = self.state.load();
        state.probed.store(code.unwrap_or(0), Relaxed);
        let alive = code.is_some_and(|code| code < 300 || self.accepted.contains(code));
        let down = state.down.load(Relaxed);
        if alive != down {
            state.against.store(0, Relaxed);
            return;
        }
        let against = state.against.fetch_add(1, Relaxed) + 1;
        if against >= if down { self.up_after } else { self.down_after } {
            state.against.store(0, Relaxed);
            state.down.store(!down, Relaxed);
            let word = if down { "up" } else { "down" };
            let answer = code.map_or_else(|| "no answer".to_owned(), |code| code.to_string());
            tracing::warn!(gateway = &*self.name, probes = against, answer, "gateway {word}");
            if down {
                self.tell_up();
            } else {
                self.tell_down(format!("{against} probes: {answer}"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
