//! What the log says of stages that fail: the first failure of a kind at once, those after it as a count, so that a source
//! that is down fills no disk.
//!
//! Each worker says its own: nothing is shared between them, and an outage is a line for each, every ten seconds.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::cdr::record::StageOutcome;
use crate::log;

/// Between two lines of the same stage and reason.
const PAUSE: Duration = Duration::from_secs(10);

/// A stage that gave no verdict, or of which there is something to tell beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted<'a> {
    pub(super) plugin: &'a Arc<str>,
    pub(super) digest: &'a str,
    pub(super) outcome: StageOutcome,
    pub(super) detail: Option<&'a str>,
    pub(super) customer: &'a str,
    pub(super) call_id: &'a str,
}

/// The failures of one worker's stages that were said of late.
#[derive(Debug, Default)]
pub(super) struct Failures(RefCell<HashMap<(Arc<str>, StageOutcome), Spell>>);

#[derive(Debug)]
struct Spell {
    /// When its last line was written.
    said: Instant,
    /// Failures since then.
    untold: u64,
}

impl Failures {
    /// Writes a line: a warning where the stage has failed and its kind had none of late, else for those who debug.
    pub(super) fn note(&self, now: Instant, noted: &Noted<'_>) {
        let Noted { outcome, digest, customer, call_id, .. } = *noted;
        let (plugin, detail) = (&**noted.plugin, noted.detail.unwrap_or_default());
        let untold = outcome.is_failure().then(|| self.untold(now, noted)).flatten();
        if let Some(untold) = untold {
            let (reason, detail) = (outcome.word(), &*log::masked(detail));
            tracing::warn!(plugin, digest, reason, detail, customer, call_id, untold, "stage failed");
        } else {
            let outcome = outcome.word();
            tracing::debug!(
                plugin,
                digest,
                outcome,
                detail,
                customer,
                call_id,
                "there is something to tell of a stage"
            );
        }
    }

    /// Failures of the same kind that no line has told of, where this one is to have one.
    fn untold(&self, now: Instant, noted: &Noted<'_>) -> Option<u64> {
        let mut spells = self.0.borrow_mut();
        match spells.entry((Arc::clone(noted.plugin), noted.outcome)) {
            Entry::Vacant(place) => {
                place.insert(Spell { said: now, untold: 0 });
                Some(0)
            }
            Entry::Occupied(mut spell) => {
                let spell = spell.get_mut();
                if now.saturating_duration_since(spell.said) < PAUSE {
                    spell.untold += 1;
                    return None;
                }
                spell.said = now;
                Some(std::mem::take(&mut spell.untold))
            }
        }
    }

    /// Says how many were not said, of the kinds whose pause is over: the next failure may never come.
    pub(super) fn say_rest(&self, now: Instant) {
        self.0.borrow_mut().retain(|(plugin, outcome), spell| {
            if now.saturating_duration_since(spell.said) < PAUSE {
                return true;
            }
            let untold = std::mem::take(&mut spell.untold);
            if untold > 0 {
                spell.said = now;
                tracing::warn!(plugin = &**plugin, reason = outcome.word(), untold, "stage failed again");
            }
            untold > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::Heard;

    /// So many failures a second for so long; what the log has then, with what is said at the end of each second.
    fn failing(per_second: u32, seconds: u32, outcome: StageOutcome) -> Vec<String> {
        let heard = Heard::on_this_thread("info");
        let (failures, plugin) = (Failures::default(), Arc::from("lrn"));
        let begin = Instant::now();
        for second in 0..seconds {
            for _ in 0..per_second {
                let noted = Noted {
                    plugin: &plugin,
                    digest: "0123456789abcdef",
                    outcome,
                    detail: Some("30 ms were over; no row for 13105550199"),
                    customer: "acme",
                    call_id: "call-1@192.0.2.1",
                };
                failures.note(begin + Duration::from_secs(second.into()), &noted);
            }
            failures.say_rest(begin + Duration::from_secs(second.into()));
        }
        (0..=20).for_each(|more| failures.say_rest(begin + Duration::from_secs((seconds + more).into())));
        assert!(failures.0.borrow().is_empty(), "nothing is kept of what is over");
        heard.lines()
    }

    /// Of a line without one: itself alone.
    fn counted(line: &str) -> u64 {
        let (_, untold) = line.split_once("untold=").expect("a count");
        let said = u64::from(line.contains("call_id="));
        said + untold.split(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a number")
    }

    #[test]
    fn a_failure_names_stage_reason_detail_customer_and_call_and_cuts_numbers() {
        let lines = failing(1, 1, StageOutcome::Deadline);
        let line = "WARN stage failed plugin=\"lrn\" digest=\"0123456789abcdef\" reason=\"deadline\" detail=\"30 ms were over; \
                    no row for 1310…\" customer=\"acme\" call_id=\"call-1@192.0.2.1\" untold=0";
        assert_eq!(lines, [line]);
    }

    #[test]
    fn a_thousand_failures_in_a_second_are_two_lines_that_count_them_all() {
        let lines = failing(1_000, 1, StageOutcome::Fuel);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[1], "WARN stage failed again plugin=\"lrn\" reason=\"fuel\" untold=999");
    }

    #[test]
    fn an_outage_of_minutes_is_a_line_each_ten_seconds_and_none_of_its_failures_goes_uncounted() {
        let lines = failing(500, 120, StageOutcome::Deadline);
        assert!((12..=14).contains(&lines.len()), "{lines:?}");
        assert_eq!(lines.iter().map(|line| counted(line)).sum::<u64>(), 500 * 120);
    }

    #[test]
    fn a_verdict_and_a_cancelled_call_are_no_failures() {
        for outcome in [StageOutcome::Proceed, StageOutcome::Route, StageOutcome::Cancelled] {
            assert_eq!(failing(10, 1, outcome), [""; 0]);
        }
    }

    #[test]
    fn each_reason_of_a_stage_has_its_own_line() {
        let heard = Heard::on_this_thread("info");
        let (failures, plugin, now) = (Failures::default(), Arc::from("lrn"), Instant::now());
        for outcome in [StageOutcome::Deadline, StageOutcome::Breaker, StageOutcome::Deadline] {
            let (digest, customer, call_id) = ("", "acme", "a");
            failures.note(now, &Noted { plugin: &plugin, digest, outcome, detail: None, customer, call_id });
        }
        let lines = heard.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("reason=\"deadline\"") && lines[1].contains("reason=\"breaker\""), "{lines:?}");
    }
}
