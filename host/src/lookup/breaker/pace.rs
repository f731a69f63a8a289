//! Which share of the last answers was slow.

/// The window moves in so many steps.
const STEPS: usize = 10;
/// Fewer answers than this are no share of anything.
const FEWEST: u32 = 20;

/// Counts of the last window, a step of it at a time.
#[derive(Debug, Default)]
pub(super) struct Pace {
    steps: [Step; STEPS],
    /// The number of the newest step, counted from the clock's beginning.
    newest: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Step {
    all: u32,
    slow: u32,
}

impl Pace {
    /// Counts an answer; true when there are enough and at least `percent` of them were slow.
    pub(super) fn count(&mut self, now: u64, window: u64, slow: bool, percent: u8) -> bool {
        let step = now / (window / STEPS as u64).max(1);
        for passed in (self.newest + 1..=step).rev().take(STEPS) {
            self.steps[passed as usize % STEPS] = Step::default();
        }
        self.newest = self.newest.max(step);
        let current = &mut self.steps[self.newest as usize % STEPS];
        current.all += 1;
        current.slow += u32::from(slow);
        let sum = |of: fn(&Step) -> u32| self.steps.iter().map(of).sum::<u32>();
        let (all, slow) = (sum(|step| step.all), sum(|step| step.slow));
        all >= FEWEST && u64::from(slow) * 100 >= u64::from(all) * u64::from(percent)
    }

    pub(super) fn clear(&mut self) {
        self.steps = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_when_there_are_enough_answers_in_the_window() {
        let mut pace = Pace::default();
        let told: Vec<bool> = (0..30).map(|n| pace.count(1_000 + n, 10_000, n % 2 == 0, 50)).collect();
        assert!(told[..19].iter().all(|told| !told), "too few");
        assert!(told[20], "11 of 21");
    }

    #[test]
    fn what_is_older_than_the_window_counts_no_more() {
        let mut pace = Pace::default();
        for n in 0..19 {
            assert!(!pace.count(n, 10_000, true, 50));
        }
        assert!(!pace.count(20_000, 10_000, true, 50), "the 19 are too old");
    }
}
