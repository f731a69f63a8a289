//! Gathering: while many messages come, a worker lets some come together before it looks at them.
//!
//! To be woken costs more than to handle a datagram, and at a thousand calls a second nearly every datagram would wake
//! its worker anew. A worker that was woken again and again within [`BUSY`] sleeps for [`PAUSE`] by the clock instead,
//! and then takes all that came with one system call. With little to do nothing is delayed.

use std::time::Duration;

use crate::sip::time::Time;

/// How much later a message may be seen than it came.
const PAUSE: Duration = Duration::from_millis(2);
/// Two times at which there was nothing to do, so close together with messages between them, are a rush. Longer than a
/// pause and the work behind it, so that one rush is not taken for many.
const BUSY: Duration = Duration::from_millis(3);

/// When a worker last had nothing to do, and what has come since.
#[derive(Debug)]
pub(super) struct Gather {
    idle_at: Time,
    since: usize,
}

impl Gather {
    pub(super) fn new(now: Time) -> Self {
        Self { idle_at: now, since: 0 }
    }

    /// Datagrams have come.
    pub(super) fn received(&mut self, count: usize) {
        self.since += count;
    }

    /// There is nothing to do: how long to sleep before looking again. `None`: until something comes.
    pub(super) fn pause(&mut self, now: Time) -> Option<Duration> {
        let rush = std::mem::take(&mut self.since) > 0 && now.since(self.idle_at) < BUSY;
        self.idle_at = now;
        rush.then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_woken_now_and_then_never_sleeps_by_the_clock() {
        let mut gather = Gather::new(Time::from_micros(0));
        for millis in (4..100).step_by(4) {
            gather.received(1);
            assert_eq!(gather.pause(Time::from_micros(millis * 1_000)), None);
        }
    }

    #[test]
    fn a_rush_is_gathered_until_nothing_comes() {
        let mut gather = Gather::new(Time::from_micros(0));
        gather.received(1);
        assert_eq!(gather.pause(Time::from_micros(300)), Some(PAUSE));
        gather.received(4);
        assert_eq!(gather.pause(Time::from_micros(1_500)), Some(PAUSE));
        assert_eq!(gather.pause(Time::from_micros(2_600)), None, "nothing came: it waits to be woken");
    }
}
