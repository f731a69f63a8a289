//! Gathering: while many messages come, a worker lets some come together before it looks at them.
//!
//! To be woken costs more than to handle a datagram, and to handle one with code and memory that have gone cold costs
//! twice what it costs behind another. So while messages come closer together than [`CLOSE`], a worker sleeps by the
//! clock instead of being woken for each (`node.gather`), and then takes all that came with one system call. With little
//! to do nothing is delayed; with very much to do the pauses grow shorter, so that what waits stays within the kernel's
//! buffers.

use std::time::Duration;

use crate::sip::time::Time;

/// Messages that come closer together than this, on the average since there was last nothing to do, are a rush.
const CLOSE: Duration = Duration::from_millis(2);
/// A pause is no longer than so many messages take to come: one batch of the socket.
const MANY: u32 = 32;

/// When a worker last had nothing to do, and what has come since.
#[derive(Debug)]
pub(super) struct Gather {
    /// How much later a message may be seen than it came.
    longest: Duration,
    idle_at: Time,
    since: u32,
}

impl Gather {
    /// Pauses last `longest` at most; zero: there are none.
    pub(super) fn new(longest: Duration, now: Time) -> Self {
        Self { longest, idle_at: now, since: 0 }
    }

    /// Datagrams have come.
    pub(super) fn received(&mut self, count: usize) {
        self.since = self.since.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// There is nothing to do: how long to sleep before looking again. `None`: until something comes.
    pub(super) fn pause(&mut self, now: Time) -> Option<Duration> {
        let (came, took) = (std::mem::take(&mut self.since), now.since(self.idle_at));
        self.idle_at = now;
        let rush = came > 0 && took <= CLOSE.saturating_mul(came);
        (rush && !self.longest.is_zero()).then(|| self.longest.min(took.saturating_mul(MANY) / came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(4);

    #[test]
    fn a_worker_that_is_woken_now_and_then_never_sleeps_by_the_clock() {
        let mut gather = Gather::new(LONGEST, Time::from_micros(0));
        for millis in (3..100).step_by(3) {
            gather.received(1);
            assert_eq!(gather.pause(Time::from_micros(millis * 1_000)), None);
        }
    }

    #[test]
    fn a_rush_is_gathered_until_little_comes() {
        let mut gather = Gather::new(LONGEST, Time::from_micros(0));
        gather.received(1);
        assert_eq!(gather.pause(Time::from_micros(300)), Some(LONGEST));
        gather.received(4);
        assert_eq!(gather.pause(Time::from_micros(4_500)), Some(LONGEST));
        gather.received(2);
        assert_eq!(gather.pause(Time::from_micros(9_000)), None, "too few for a pause: it waits to be woken");
        assert_eq!(gather.pause(Time::from_micros(9_100)), None, "nothing came");
    }

    #[test]
    fn a_flood_shortens_the_pauses() {
        let mut gather = Gather::new(LONGEST, Time::from_micros(0));
        gather.received(320);
        assert_eq!(gather.pause(Time::from_micros(5_000)), Some(Duration::from_micros(500)));
    }

    #[test]
    fn without_pauses_a_worker_is_woken_for_all_that_comes() {
        let mut gather = Gather::new(Duration::ZERO, Time::from_micros(0));
        gather.received(4);
        assert_eq!(gather.pause(Time::from_micros(300)), None);
    }
}
