//! How a stage fares: counted by outcome, for the metrics page.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::cdr::record::StageOutcome;

const OUTCOMES: [StageOutcome; 17] = [
    StageOutcome::Proceed,
    StageOutcome::Reject,
    StageOutcome::Challenge,
    StageOutcome::Redirect,
    StageOutcome::Route,
    StageOutcome::Fuel,
    StageOutcome::Deadline,
    StageOutcome::Budget,
    StageOutcome::Memory,
    StageOutcome::Trap,
    StageOutcome::Error,
    StageOutcome::Invalid,
    StageOutcome::Saturated,
    StageOutcome::Breaker,
    StageOutcome::Cancelled,
    StageOutcome::Share,
    StageOutcome::Loading,
];

/// Running totals of one stage on one worker, or of one loaded stage.
#[derive(Debug, Default)]
pub struct Stats {
    outcomes: [AtomicU64; OUTCOMES.len()],
    micros: AtomicU64,
    fuel: AtomicU64,
    instances: AtomicU64,
}

/// [`Stats`] at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Calls by outcome; outcomes that never came are left out.
    pub outcomes: Vec<(StageOutcome, u64)>,
    /// Wall clock of all calls, in microseconds.
    pub micros: u64,
    /// Fuel of all calls.
    pub fuel: u64,
    /// Instances made.
    pub instances: u64,
}

impl Stats {
    pub(super) fn count(&self, outcome: StageOutcome, micros: u64, fuel: u64) {
        // The enum's order is the array's order: the test below holds them together.
        self.outcomes[outcome as usize].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
        self.fuel.fetch_add(fuel, Relaxed);
    }

    pub(super) fn count_instance(&self) {
        self.instances.fetch_add(1, Relaxed);
    }

    /// The totals now.
    pub fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            outcomes: OUTCOMES
                .iter()
                .zip(&self.outcomes)
                .map(|(outcome, count)| (*outcome, count.load(Relaxed)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            micros: self.micros.load(Relaxed),
            fuel: self.fuel.load(Relaxed),
            instances: self.instances.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_under_its_own_name() {
        for (place, outcome) in OUTCOMES.iter().enumerate() {
            assert_eq!(place, *outcome as usize);
            let stats = Stats::default();
            stats.count(*outcome, 1, 1);
            assert_eq!(stats.snapshot().outcomes, [(*outcome, 1)]);
        }
    }
}
