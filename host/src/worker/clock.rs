//! One monotonic clock per node, and what it is on the wall.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cdr::record::UnixMicros;
use crate::sip::time::Time;

/// How long before the node's start its clock began: calls that an earlier process has left open are older.
const HEAD_START: Duration = Duration::from_hours(24 * 60);

/// More than this between two looks is a step of the wall's clock, in microseconds.
const STEP: u64 = 1_000_000;

/// Starts with the node. The wall's time is read anew now and then: a step of it moves later records, never
/// a duration.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// When it stood at [`HEAD_START`].
    started: Instant,
    /// When it stood at zero.
    began_on_wall: UnixMicros,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        let head_start = HEAD_START.as_micros() as u64;
        Self { started: Instant::now(), began_on_wall: wall().saturating_sub(head_start) }
    }

    /// The time.
    pub fn now(&self) -> Time {
        Time::default() + HEAD_START + self.started.elapsed()
    }

    /// The same moment for the standard library.
    pub fn instant(&self, time: Time) -> Instant {
        self.started + time.since(Time::default() + HEAD_START)
    }

    /// The moment on the wall.
    pub fn on_wall(&self, time: Time) -> UnixMicros {
        self.began_on_wall + time.micros()
    }

    /// The moment that stands on the wall at `micros`; the clock's beginning where it was before that.
    pub fn of_wall(&self, micros: UnixMicros) -> Time {
        Time::from_micros(micros.saturating_sub(self.began_on_wall))
    }

    /// Read the wall's time again. By how many microseconds it was set forward (or back: negative) since the last look,
    /// where that is more than a clock that is kept right is ever moved.
    pub fn adjust(&mut self) -> Option<i64> {
        self.adjust_to(wall(), self.now())
    }

    fn adjust_to(&mut self, wall: UnixMicros, now: Time) -> Option<i64> {
        let began = wall.saturating_sub(now.micros());
        let step = began.cast_signed().wrapping_sub(self.began_on_wall.cast_signed());
        self.began_on_wall = began;
        (step.unsigned_abs() > STEP).then_some(step)
    }
}

fn wall() -> UnixMicros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000;

    #[test]
    fn a_step_of_the_wall_moves_moments_and_no_duration() {
        let mut clock = Clock::start();
        let answered = clock.now();
        let (before, ended) = (clock.on_wall(answered), answered + Duration::from_secs(30));
        assert_eq!(clock.adjust_to(before + HOUR, answered), Some(HOUR.cast_signed()));
        assert_eq!(clock.on_wall(answered), before + HOUR);
        assert_eq!(clock.on_wall(ended) - clock.on_wall(answered), 30_000_000);
        assert_eq!(clock.adjust_to(before, answered), Some(-HOUR.cast_signed()));
        assert_eq!(clock.on_wall(ended), before + 30_000_000);
    }

    #[test]
    fn a_clock_that_is_kept_right_makes_no_step() {
        let mut clock = Clock::start();
        let now = clock.now();
        let wall = clock.on_wall(now);
        assert_eq!(clock.adjust_to(wall + 900_000, now), None);
        assert_eq!(clock.on_wall(now), wall + 900_000);
    }
}
