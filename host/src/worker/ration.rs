//! So much a second and no more.

use std::time::Duration;

use crate::sip::time::Time;

/// How many records of strangers' calls a worker writes: whoever can send datagrams could fill the stores otherwise.
#[derive(Debug)]
pub(super) struct Ration {
    per_second: u32,
    left: u32,
    renewed: Time,
}

impl Ration {
    pub(super) fn new(per_second: u32, now: Time) -> Self {
        Self { per_second, left: per_second, renewed: now }
    }

    /// Takes one of this second's; false where none is left.
    pub(super) fn take(&mut self, now: Time) -> bool {
        if now.since(self.renewed) >= Duration::from_secs(1) {
            self.renewed = now;
            self.left = self.per_second;
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_ration_and_the_next_one_again() {
        let begin = Time::from_micros(5_000_000);
        let mut ration = Ration::new(2, begin);
        let taken = |ration: &mut Ration, at| [(); 3].map(|()| ration.take(at));
        assert_eq!(taken(&mut ration, begin), [true, true, false]);
        assert!(!ration.take(begin + Duration::from_millis(999)));
        assert_eq!(taken(&mut ration, begin + Duration::from_secs(1)), [true, true, false]);
    }
}
