//! Increments: which part of a call's length is charged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// `30/6`: an answered call is charged for at least 30 s, and beyond them for every 6 s that have begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Increment {
    /// Seconds charged as soon as the call is answered; 0 or more.
    pub minimum: u32,
    /// Seconds; 1 or more.
    pub step: u32,
}

impl Default for Increment {
    /// `1/1`: whole seconds.
    fn default() -> Self {
        Self { minimum: 1, step: 1 }
    }
}

impl Increment {
    /// The seconds charged for an answered call of so many microseconds.
    pub fn billed(self, micros: u64) -> u64 {
        let beyond = micros.saturating_sub(u64::from(self.minimum) * 1_000_000);
        let steps = beyond.div_ceil(u64::from(self.step.max(1)) * 1_000_000);
        u64::from(self.minimum) + steps * u64::from(self.step.max(1))
    }
}

impl fmt::Display for Increment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.minimum, self.step)
    }
}

/// What an increment looks like.
pub const WANTED: &str =
    "an increment: minimum and step in seconds, such as `30/6`, `60/60` or `1/1`, the step at least 1";

impl FromStr for Increment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (minimum, step) = text.trim().split_once('/').ok_or(WANTED)?;
        // A day each: more is a typing mistake.
        let seconds = |text: &str| text.trim().parse().ok().filter(|seconds: &u32| *seconds <= 86_400).ok_or(WANTED);
        let increment = Self { minimum: seconds(minimum)?, step: seconds(step)? };
        if increment.step == 0 { Err(WANTED) } else { Ok(increment) }
    }
}

impl<'de> Deserialize<'de> for Increment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|wanted| serde::de::Error::invalid_value(serde::de::Unexpected::Str(&text), &wanted))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_is_charged_for_the_minimum_and_then_for_every_step_that_has_begun() {
        let increment: Increment = "30/6".parse().unwrap();
        let billed = |seconds: u64| increment.billed(seconds * 1_000_000);
        assert_eq!((billed(0), billed(1), billed(30)), (30, 30, 30));
        assert_eq!((billed(31), billed(36), billed(37)), (36, 36, 42));
        assert_eq!(increment.billed(30_000_001), 36, "a microsecond begins the next step");
        assert_eq!(Increment::default().billed(0), 1, "an answered call is charged for a second at least");
        assert_eq!("0/1".parse::<Increment>().unwrap().billed(0), 0);
    }

    #[test]
    fn what_is_no_increment_is_refused() {
        for text in ["", "30", "30/0", "-1/6", "30/6/1", "6s/6s", "100000/1"] {
            assert!(text.parse::<Increment>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_sum_of_the_increments_covers_the_call_and_no_more(
            minimum in 0_u32..120, step in 1_u32..120, micros in 0_u64..20_000_000_000,
        ) {
            let increment = Increment { minimum, step };
            let billed = increment.billed(micros);
            let beyond = billed - u64::from(minimum);
            prop_assert_eq!(beyond % u64::from(step), 0, "the minimum and whole steps");
            prop_assert!(billed * 1_000_000 >= micros, "all of the call is charged");
            let without_last = billed.saturating_sub(u64::from(step)) * 1_000_000;
            prop_assert!(beyond == 0 || without_last < micros, "no step that had not begun");
        }
    }
}
