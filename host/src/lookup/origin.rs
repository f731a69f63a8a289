//! Where an answer comes from, and how old it is.

use std::time::Duration;

use super::cached::Via;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Rows that are held whole in memory.
    Memory {
        /// Since the file was written last, where the system tells, or since the database was read.
        age: Option<Duration>,
        /// `file` or `database`.
        from: &'static str,
    },
    /// The cache, within its ttl.
    Fresh {
        /// Since the source gave it.
        age: Duration,
        /// Where it was taken from then.
        via: Via,
    },
    /// The cache, past its ttl.
    Stale {
        /// Since the source gave it.
        age: Duration,
        /// Where it was taken from then.
        via: Via,
    },
    /// The source: memory has nothing that may be served.
    Loaded,
}

impl Origin {
    /// What an operator should know of an answer: that it was past its time, or came by the second tier. `None` of one
    /// that this node's own source gave lately.
    pub fn remark(self) -> Option<String> {
        let by_tier = |via| if via == Via::Shared { ", by the second tier" } else { "" };
        match self {
            Self::Stale { age, via } => Some(format!("{} old and past its ttl{}", age_in_words(age), by_tier(via))),
            Self::Fresh { age, via: Via::Shared } => Some(format!("{} old, by the second tier", age_in_words(age))),
            Self::Fresh { .. } | Self::Memory { .. } | Self::Loaded => None,
        }
    }
}

/// The two largest units are enough: `3 d 4 h`, `12 min 5 s`, `450 ms`.
pub fn age_in_words(age: Duration) -> String {
    let (seconds, minutes, hours) = (age.as_secs(), age.as_secs() / 60, age.as_secs() / 3_600);
    match (hours, minutes, seconds) {
        (0, 0, 0) => format!("{} ms", age.as_millis()),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {} s", seconds % 60),
        (hours @ ..24, minutes, _) => format!("{hours} h {} min", minutes % 60),
        (hours, ..) => format!("{} d {} h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_two_largest_units() {
        let cases = [
            (0, "0 ms"),
            (450, "450 ms"),
            (59_999, "59 s"),
            (725_000, "12 min 5 s"),
            (3_600_000, "1 h 0 min"),
            (86_399_999, "23 h 59 min"),
            (273_600_000, "3 d 4 h"),
        ];
        for (millis, expected) in cases {
            assert_eq!(age_in_words(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn only_what_is_old_or_from_elsewhere_is_remarked_on() {
        let age = Duration::from_secs(12);
        let words = |origin: Origin| origin.remark().unwrap_or_default();
        assert_eq!(words(Origin::Fresh { age, via: Via::Shared }), "12 s old, by the second tier");
        assert_eq!(words(Origin::Stale { age, via: Via::Shared }), "12 s old and past its ttl, by the second tier");
        assert_eq!(words(Origin::Stale { age, via: Via::Source }), "12 s old and past its ttl");
        for own in [Origin::Fresh { age, via: Via::Source }, Origin::Memory { age: None, from: "file" }, Origin::Loaded]
        {
            assert_eq!(own.remark(), None);
        }
    }
}
