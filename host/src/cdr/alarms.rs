//! When somebody must be woken: the journal fails, fills up, or has lost records.

use super::journal::Status;
use crate::events::{self, Event};

/// What goes on is named in the log again at every so many looks, a second apart.
const AGAIN: u32 = 10;

/// What was told before.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    looks: u32,
    lost: u64,
    failing: bool,
    filling: bool,
}

impl Alarms {
    /// Tells what is new, in the log and as events; and what goes on, in the log now and then.
    pub(super) fn look(&mut self, status: &Status) {
        self.looks = self.looks.wrapping_add(1);
        let again = self.looks.is_multiple_of(AGAIN);
        if status.lost > self.lost && (self.lost == 0 || again) {
            let new = status.lost - self.lost;
            self.lost = status.lost;
            tracing::error!(lost = status.lost, new, "CALL RECORDS ARE LOST: the journal's queue is full");
            events::publish(Event::JournalAlarm { problem: format!("{new} call records are lost") });
        }
        // The journal's thread names it in the log.
        if let Some(problem) = status.failing.as_ref().filter(|_| !self.failing) {
            events::publish(Event::JournalAlarm { problem: problem.clone() });
        }
        let filling = is_filling(status);
        if filling && (!self.filling || again) {
            let (used, limit) = (status.disk_use, status.limit);
            tracing::error!(
                used,
                limit,
                "the journal takes more than 80 % of `cdr.journal-limit`: some store is behind"
            );
        }
        if filling && !self.filling {
            let problem = format!("the journal takes {} of {} bytes", status.disk_use, status.limit);
            events::publish(Event::JournalAlarm { problem });
        }
        let (before, now) = (self.failing || self.filling, status.failing.is_some() || filling);
        if before && !now {
            events::publish(Event::JournalWell {});
        }
        (self.failing, self.filling) = (status.failing.is_some(), filling);
    }
}

/// Whether four fifths of what the journal may take of the disk are taken.
fn is_filling(status: &Status) -> bool {
    status.disk_use / 4 >= status.limit / 5
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cdr::journal::Synced;

    #[test]
    fn four_fifths_of_the_limit_are_an_alarm() {
        let synced = Synced::default();
        let status = |disk_use| Status {
            synced,
            lost: 0,
            notes_lost: 0,
            unguarded: 0,
            age: Duration::ZERO,
            queue: (0, 1),
            disk_use,
            limit: 1_000,
            failing: None,
        };
        assert!(!is_filling(&status(799)));
        assert!(is_filling(&status(800)));
    }
}
