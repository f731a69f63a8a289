//! One monotonic clock per node, and what it is on the wall.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cdr::record::UnixMicros;
use crate::sip::time::Time;

/// How long before the node's start its clock began: calls that an earlier process has left open are older.
const HEAD_START: Duration = Duration::from_hours(24 * 60);

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

    /// Read the wall's time again.
    pub fn adjust(&mut self) {
        self.began_on_wall = wall().saturating_sub(self.now().micros());
    }
}

fn wall() -> UnixMicros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
