//! A new version of a stage beside the one in use: what it takes of the calls, how it fares, and what the rule makes
//! of it. Workers read and count without a lock; a verdict holds from the next call on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Serialize;

use super::recorded::Answered;
use super::stage::Stage;
use crate::config::model::{RollBack, Share};

/// Failures before a rule may speak of a share of them.
const MIN_FAILURES: u64 = 5;
/// Calls on either side before their means are compared.
const MIN_COMPARED: u64 = 100;
/// A stage that takes less than this longer is not slower: microseconds.
const MIN_SLOWER: u64 = 50;
/// Differences that are kept to be looked at.
const SAMPLES: usize = 16;

/// How a version is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It gets the same calls; its outcome is compared only.
    Shadow,
    /// It decides a share of the calls.
    Canary,
    /// It was swapped in and decides all calls; the version before still stands by.
    Probation,
}

/// What a trial has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It goes on.
    Running = 0,
    /// The version takes the stage over.
    Promoted = 1,
    /// The version before has all calls again.
    RolledBack = 2,
}

/// One version on trial.
#[derive(Debug)]
pub struct Trial {
    /// The version, loaded.
    pub stage: Arc<Stage>,
    /// How it is tried.
    pub kind: Kind,
    /// Of the calls, by Call-ID.
    pub share: Share,
    /// Calls after which it is promoted; a shadow never is.
    pub promote_after: u64,
    rule: RollBack,
    standing: AtomicU8,
    why: OnceLock<String>,
    /// The version's own calls.
    own: Tally,
    /// Those of the version before, in the same time.
    other: Tally,
    same: AtomicU64,
    different: AtomicU64,
    /// Not comparable: it asked what the live stage had not, and memory had no answer.
    withheld: AtomicU64,
    /// Not run: the queue was full, or it waited too long.
    dropped: AtomicU64,
    samples: Mutex<VecDeque<Difference>>,
}

/// Calls of one version.
#[derive(Debug, Default)]
struct Tally {
    calls: AtomicU64,
    failures: AtomicU64,
    micros: AtomicU64,
    fuel: AtomicU64,
}

/// A tally at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tallied {
    /// Calls run.
    pub calls: u64,
    /// Of those, failures that speak against the plugin.
    pub failures: u64,
    /// Wall clock of all calls.
    pub micros: u64,
    /// Instructions of all calls, without the starts of instances.
    pub fuel: u64,
}

/// A call that two versions answered differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// The Call-ID.
    pub call_id: String,
    /// The customer.
    pub customer: String,
    /// What decided about the call.
    pub live: Answered,
    /// What the other version would have answered.
    pub other: Answered,
}

/// A [`Trial`] at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrialStatus {
    /// How it is tried.
    pub kind: Kind,
    /// The version's digest, 16 digits.
    pub digest: String,
    /// Millionths of the calls.
    pub share_ppm: u32,
    /// Where it stands.
    pub standing: Standing,
    /// Why it was promoted or rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Calls after which it is promoted.
    pub promote_after: u64,
    /// The version's calls.
    pub own: Tallied,
    /// Those of the version before in the same time.
    pub before: Tallied,
    /// Answered the same.
    pub same: u64,
    /// Answered differently.
    pub different: u64,
    /// Not comparable: it asked what had no answer at hand.
    pub withheld: u64,
    /// Not compared for want of time.
    pub dropped: u64,
}

/// What is known of one call of a version.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// Whether it failed by its own fault.
    pub failed: bool,
    /// Wall clock.
    pub micros: u64,
    /// Instructions of the call, without an instance's start.
    pub fuel: u64,
}

impl Trial {
    /// Begins now.
    pub fn new(stage: Arc<Stage>, kind: Kind, share: Share, promote_after: u64, rule: RollBack) -> Self {
        Self {
            stage,
            kind,
            share,
            promote_after,
            rule,
            standing: AtomicU8::new(Standing::Running as u8),
            why: OnceLock::new(),
            own: Tally::default(),
            other: Tally::default(),
            same: AtomicU64::new(0),
            different: AtomicU64::new(0),
            withheld: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            samples: Mutex::default(),
        }
    }

    /// Whether the version decides about this call: always the same for one Call-ID, so that a caller who comes again
    /// with credentials meets the same version.
    pub fn takes(&self, call_id: &str) -> bool {
        match self.standing() {
            Standing::Promoted => true,
            Standing::RolledBack => false,
            Standing::Running => self.kind != Kind::Shadow && self.picks(call_id),
        }
    }

    /// Whether two versions are compared on this call: a shadow's share, and those that a canary decided where its
    /// rule asks for the difference.
    pub fn compares(&self, call_id: &str) -> bool {
        let wanted = self.kind == Kind::Shadow || self.rule.difference.is_some();
        wanted && self.standing() == Standing::Running && self.picks(call_id)
    }

    fn picks(&self, call_id: &str) -> bool {
        // Salted by the stage's name, so that two trials do not pick the same calls; mixed, because workers are picked
        // by the same checksum.
        let sum = crc32c::crc32c_append(crc32c::crc32c(self.stage.name.as_bytes()), call_id.as_bytes());
        let mixed = u64::from(sum).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (mixed * u64::from(Share::ALL.millionths())) >> 32 < u64::from(self.share.millionths())
    }

    /// A call of the version has ended.
    pub fn count_own(&self, ran: Ran) {
        self.own.count(ran);
        if self.kind != Kind::Shadow && self.standing() == Standing::Running {
            self.judge();
        }
    }

    /// A call of the version before has ended.
    pub fn count_other(&self, ran: Ran) {
        self.other.count(ran);
    }

    /// Both have answered one call.
    pub fn compare(&self, call_id: &str, customer: &str, live: Answered, other: Answered) {
        if live == other {
            self.same.fetch_add(1, Relaxed);
            return;
        }
        self.different.fetch_add(1, Relaxed);
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(Difference { call_id: call_id.to_owned(), customer: customer.to_owned(), live, other });
    }

    pub(super) fn count_withheld(&self) {
        self.withheld.fetch_add(1, Relaxed);
    }

    pub(super) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        match self.standing.load(Relaxed) {
            1 => Standing::Promoted,
            2 => Standing::RolledBack,
            _ => Standing::Running,
        }
    }

    /// Ends it by hand, or by the rule. The first verdict stays.
    pub fn end(&self, standing: Standing, why: String) {
        let running = Standing::Running as u8;
        if self.standing.compare_exchange(running, standing as u8, Relaxed, Relaxed).is_ok() {
            let _ = self.why.set(why);
        }
    }

    /// Takes over what another has counted: a reload loads the version again and goes on with its trial.
    pub fn carry(&self, before: &Self) {
        self.own.add(before.own.tallied());
        self.other.add(before.other.tallied());
        for (mine, its) in [
            (&self.same, &before.same),
            (&self.different, &before.different),
            (&self.withheld, &before.withheld),
            (&self.dropped, &before.dropped),
        ] {
            mine.store(its.load(Relaxed), Relaxed);
        }
        *self.samples.lock().unwrap_or_else(PoisonError::into_inner) = before.differences().into();
        let standing = before.standing();
        if standing != Standing::Running {
            self.end(standing, before.why.get().cloned().unwrap_or_default());
        }
    }

    /// The same trial of the version as loaded again, with all that was counted.
    pub fn again(&self, stage: Arc<Stage>) -> Self {
        let again = Self::new(stage, self.kind, self.share, self.promote_after, self.rule);
        again.carry(self);
        again
    }

    /// The last differences.
    pub fn differences(&self) -> Vec<Difference> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// All of it now.
    pub fn status(&self) -> TrialStatus {
        TrialStatus {
            kind: self.kind,
            digest: self.stage.digest.to_string(),
            share_ppm: self.share.millionths(),
            standing: self.standing(),
            why: self.why.get().cloned(),
            promote_after: self.promote_after,
            own: self.own.tallied(),
            before: self.other.tallied(),
            same: self.same.load(Relaxed),
            different: self.different.load(Relaxed),
            withheld: self.withheld.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
        }
    }

    fn judge(&self) {
        if let Some(why) = self.fault() {
            self.end(Standing::RolledBack, why);
        } else if self.own.calls.load(Relaxed) >= self.promote_after {
            let calls = self.own.calls.load(Relaxed);
            self.end(Standing::Promoted, format!("{calls} calls without a breach of the rule"));
        }
    }

    /// What of the rule it breaks.
    fn fault(&self) -> Option<String> {
        let own = self.own.tallied();
        if own.failures >= MIN_FAILURES && exceeds(own.failures, own.calls, self.rule.failures) {
            return Some(format!("{} of {} calls failed", own.failures, own.calls));
        }
        if own.calls < MIN_COMPARED {
            return None;
        }
        let compared = self.same.load(Relaxed) + self.different.load(Relaxed);
        let different = self.different.load(Relaxed);
        if let Some(difference) = self.rule.difference
            && compared >= MIN_COMPARED
            && exceeds(different, compared, difference)
        {
            return Some(format!("{different} of {compared} outcomes differ from the version before"));
        }
        let other = self.other.tallied();
        if other.calls < MIN_COMPARED {
            return None;
        }
        let (fuel, fuel_before) = (own.fuel / own.calls, other.fuel / other.calls);
        if let Some(ratio) = self.rule.fuel_ratio
            && fuel * 1_000 > fuel_before * u64::from(ratio.thousandths())
        {
            return Some(format!("{fuel} fuel per call, {fuel_before} before"));
        }
        let (micros, micros_before) = (own.micros / own.calls, other.micros / other.calls);
        if let Some(ratio) = self.rule.latency_ratio
            && micros > micros_before + MIN_SLOWER
            && micros * 1_000 > micros_before * u64::from(ratio.thousandths())
        {
            return Some(format!("{micros} µs per call, {micros_before} before"));
        }
        None
    }
}

fn exceeds(part: u64, whole: u64, share: Share) -> bool {
    u128::from(part) * u128::from(Share::ALL.millionths()) > u128::from(whole) * u128::from(share.millionths())
}

impl Tally {
    fn count(&self, ran: Ran) {
        self.calls.fetch_add(1, Relaxed);
        self.failures.fetch_add(u64::from(ran.failed), Relaxed);
        self.micros.fetch_add(ran.micros, Relaxed);
        self.fuel.fetch_add(ran.fuel, Relaxed);
    }

    fn add(&self, more: Tallied) {
        self.calls.fetch_add(more.calls, Relaxed);
        self.failures.fetch_add(more.failures, Relaxed);
        self.micros.fetch_add(more.micros, Relaxed);
        self.fuel.fetch_add(more.fuel, Relaxed);
    }

    fn tallied(&self) -> Tallied {
        Tallied {
            calls: self.calls.load(Relaxed),
            failures: self.failures.load(Relaxed),
            micros: self.micros.load(Relaxed),
            fuel: self.fuel.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
