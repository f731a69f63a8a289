//! How much of its time a worker is at work, and whether it takes new calls.
//!
//! What a worker cannot do in time it does too late: every call's messages wait behind those of all others, and are sent
//! again by whoever waits. So new calls are refused before it comes to that, which costs a hundredth of routing them,
//! and the calls in progress go on.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::config::model::Overload;
use crate::sip::time::Time;

/// Over so long the share is taken.
const WINDOW: Duration = Duration::from_millis(250);
/// A worker must be busy for so long before it refuses calls, and at ease for so long before it takes them again.
const LASTING: Duration = Duration::from_secs(1);

/// Why a worker refuses new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is at work nearly all the time.
    Busy,
    /// It does not get to the end of what waits for it.
    Behind,
    /// Others hand it more than it takes.
    Queue,
}

impl Cause {
    pub(super) const ALL: [Self; 3] = [Self::Busy, Self::Behind, Self::Queue];

    /// As it is counted and told.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Behind => "behind",
            Self::Queue => "queue",
        }
    }
}

/// A change of mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Begins(Cause),
    Ends,
}

/// One worker's.
#[derive(Debug)]
pub(super) struct Strain {
    limits: Overload,
    cause: Option<Cause>,
    /// When it last had nothing more to do, while it sleeps.
    parked: Option<Time>,
    /// When it last had nothing more to do.
    caught_up: Time,
    window: Time,
    /// Slept in this window.
    idle: Duration,
    /// Processor time of this thread when the window began.
    ran: Duration,
    busy_since: Option<Time>,
    calm_since: Option<Time>,
}

impl Strain {
    pub(super) fn new(limits: Overload, now: Time) -> Self {
        Self {
            limits,
            cause: None,
            // What it does before its first round is no work that waited.
            parked: Some(now),
            caught_up: now,
            window: now,
            idle: Duration::ZERO,
            ran: Duration::ZERO,
            busy_since: None,
            calm_since: None,
        }
    }

    /// From now on go by these.
    pub(super) fn limit(&mut self, limits: Overload) {
        self.limits = limits;
    }

    /// What Retry-After says at least, where new calls are refused.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.cause.map(|_| self.limits.retry_after.get())
    }

    /// Nothing waits any more; there is work left.
    pub(super) fn catches_up(&mut self, now: Time) {
        self.caught_up = now;
    }

    /// There is nothing to do: the worker sleeps until the next round.
    pub(super) fn parks(&mut self, now: Time) {
        self.parked = Some(now);
        self.caught_up = now;
    }

    /// A round of work begins; `queue` is how full its mailbox is, in per cent, `ran` is asked for this thread's processor
    /// time now and then.
    pub(super) fn round(&mut self, now: Time, queue: u32, ran: impl FnOnce() -> Duration) -> Option<Turn> {
        if let Some(parked) = self.parked.take() {
            self.idle += now.since(parked);
            self.caught_up = now;
        }
        let behind = now.since(self.caught_up);
        if now.since(self.window) >= WINDOW {
            self.close_window(now, behind, queue, ran());
        }
        let lasting = |since: Option<Time>| since.is_some_and(|since| now.since(since) >= LASTING);
        if self.cause.is_some() {
            return lasting(self.calm_since).then(|| {
                self.cause = None;
                Turn::Ends
            });
        }
        self.cause = if behind > self.limits.behind.get() {
            Some(Cause::Behind)
        } else if queue > self.limits.queue {
            Some(Cause::Queue)
        } else if lasting(self.busy_since) {
            Some(Cause::Busy)
        } else {
            None
        };
        self.cause.map(|cause| {
            self.calm_since = None;
            Turn::Begins(cause)
        })
    }

    fn close_window(&mut self, now: Time, behind: Duration, queue: u32, ran: Duration) {
        let span = now.since(self.window);
        let share = |part: Duration| (part.as_micros() * 1_000 / span.as_micros().max(1)).min(1_000) as u32;
        // Both see what the other does not: a stage that gives the thread back all the time looks like rest, and a
        // thread that waits for a processor takes none of its time.
        let busy = share(ran.saturating_sub(self.ran)).max(1_000 - share(self.idle));
        let Overload { busy: most, behind: longest, queue: fullest, .. } = self.limits;
        let began = self.window;
        self.busy_since = (busy > most * 10).then(|| self.busy_since.unwrap_or(began));
        // Well below what has begun it, so that it does not begin and end all the time.
        let calm = busy <= most * 9 && behind <= longest.get() / 2 && queue <= fullest / 2;
        self.calm_since = calm.then(|| self.calm_since.unwrap_or(began));
        self.window = now;
        self.idle = Duration::ZERO;
        self.ran = ran;
    }
}

/// What this thread has had of a processor.
pub(super) fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker that works for so many of every 10 ms, and its turns with their times in ms.
    struct Rig {
        strain: Strain,
        now: u64,
        ran: u64,
        turns: Vec<(u64, Turn)>,
    }

    impl Rig {
        fn new() -> Self {
            let limits = Overload { busy: 90, ..Overload::default() };
            Self { strain: Strain::new(limits, at(0)), now: 0, ran: 0, turns: Vec::new() }
        }

        fn works(&mut self, share: u64, millis: u64, queue: u32) {
            for _ in 0..millis / 10 {
                let turn = self.strain.round(at(self.now), queue, || Duration::from_millis(self.ran));
                self.turns.extend(turn.map(|turn| (self.now, turn)));
                if share < 10 {
                    self.strain.parks(at(self.now + share));
                }
                self.now += 10;
            }
        }
    }

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[test]
    fn a_worker_that_keeps_up_takes_calls_however_short_its_pauses() {
        let mut rig = Rig::new();
        rig.works(9, 60_000, 0);
        assert_eq!(rig.turns, [], "nine tenths are allowed");
    }

    #[test]
    fn a_worker_that_is_at_work_all_the_time_refuses_and_takes_calls_again_once_it_is_at_ease() {
        let mut rig = Rig { strain: Strain::new(Overload { busy: 80, ..Overload::default() }, at(0)), ..Rig::new() };
        rig.works(9, 5_000, 0);
        assert_eq!(rig.turns, [(1_000, Turn::Begins(Cause::Busy))]);
        assert_eq!(rig.strain.retry_after(), Some(Duration::from_secs(5)));
        rig.works(8, 5_000, 0);
        assert_eq!(rig.turns.len(), 1, "it is not at ease while it is near the threshold");
        rig.works(5, 1_250, 0);
        assert_eq!(rig.turns[1..], [(11_000, Turn::Ends)]);
        assert_eq!(rig.strain.retry_after(), None);
    }

    #[test]
    fn a_rush_of_less_than_a_second_is_worked_off_and_no_overload() {
        let mut rig = Rig::new();
        for _ in 0..10 {
            rig.works(10, 490, 0);
            rig.works(2, 500, 0);
        }
        assert_eq!(rig.turns, []);
    }

    #[test]
    fn a_worker_that_does_not_get_to_the_end_of_its_work_or_whose_mailbox_fills_refuses_at_once() {
        let mut rig = Rig::new();
        rig.works(10, 600, 0);
        assert_eq!(rig.turns, [(510, Turn::Begins(Cause::Behind))]);
        let mut rig = Rig::new();
        rig.works(1, 100, 51);
        assert_eq!(rig.turns, [(0, Turn::Begins(Cause::Queue))]);
        rig.works(1, 3_000, 40);
        assert_eq!(rig.turns.len(), 1, "until it is half as full");
        rig.works(1, 1_500, 10);
        assert!(matches!(rig.turns[1..], [(_, Turn::Ends)]), "{:?}", rig.turns);
    }

    #[test]
    fn a_worker_that_slept_long_is_at_ease() {
        let mut rig = Rig::new();
        rig.works(10, 600, 0);
        rig.strain.parks(at(600));
        assert_eq!(rig.strain.round(at(600_000), 0, || Duration::ZERO), Some(Turn::Ends));
    }

    #[test]
    fn a_worker_whose_stages_give_its_thread_back_all_the_time_is_busy_all_the_same() {
        let mut rig = Rig::new();
        for _ in 0..200 {
            rig.ran += 10;
            rig.works(3, 10, 0);
        }
        assert_eq!(rig.turns, [(1_000, Turn::Begins(Cause::Busy))]);
        assert!(processor_time() > Duration::ZERO);
    }
}
