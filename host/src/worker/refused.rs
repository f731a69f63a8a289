//! Why new calls were refused, for the event that tells it.

use super::strain::Cause;
use crate::sip::core::Counters;

/// New calls that were refused between two looks at the core, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// The node holds as many calls as it may.
    full: u64,
    /// It drains, or its journal fails.
    unwilling: u64,
    /// Its worker had too much to do.
    strained: u64,
}

impl Refused {
    pub(super) fn between(then: &Counters, now: &Counters) -> Self {
        let unwilling = now.unwilling - then.unwilling;
        // What one call asks too much of says nothing about the node.
        let crowded = now.crowded - then.crowded;
        let strained = now.overloaded - then.overloaded - unwilling - crowded;
        Self { full: now.full - then.full, unwilling, strained }
    }

    pub(super) fn count(self) -> u64 {
        self.full + self.unwilling + self.strained
    }

    /// Why most of them were. `strain` is what the worker suffers from, or did last: it may be over by now.
    pub(super) fn why(self, strain: Option<Cause>) -> &'static str {
        if self.strained >= self.full.max(self.unwilling)
            && let Some(cause) = strain
        {
            return cause.word();
        }
        if self.full > self.unwilling { "max-calls" } else { "refusing" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(full: u64, overloaded: u64, unwilling: u64, crowded: u64) -> Counters {
        Counters { full, overloaded, unwilling, crowded, ..Counters::default() }
    }

    fn told(now: Counters, strain: Option<Cause>) -> (u64, &'static str) {
        let refused = Refused::between(&counters(1, 30, 10, 10), &now);
        (refused.count(), refused.why(strain))
    }

    #[test]
    fn a_strain_that_is_over_again_is_told_by_its_name_and_not_as_unwillingness() {
        assert_eq!(told(counters(1, 34, 10, 10), Some(Cause::Queue)), (4, "queue"));
    }

    #[test]
    fn a_busy_worker_is_not_to_blame_for_a_full_or_a_draining_node() {
        assert_eq!(told(counters(9, 31, 10, 10), Some(Cause::Busy)), (9, "max-calls"));
        assert_eq!(told(counters(1, 35, 15, 10), Some(Cause::Busy)), (5, "refusing"));
    }

    #[test]
    fn a_call_that_asks_too_much_is_no_overload_of_the_node() {
        assert_eq!(told(counters(1, 37, 10, 17), None).0, 0);
    }
}
