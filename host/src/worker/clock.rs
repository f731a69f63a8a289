//! One monotonic clock per node, and what it is on the wall.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::cdr::record::UnixMicros;
use crate::sip::time::Time;

/// Starts at zero with the node. The wall's time is read anew now and then: a step of it moves later records, never
/// a duration.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    began_on_wall: UnixMicros,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self { began: Instant::now(), began_on_wall: wall() }
    }

    /// The time.
    pub fn now(&self) -> Time {
        Time::from_micros(self.began.elapsed().as_micros() as u64)
    }

    /// The same moment for the standard library.
    pub fn instant(&self, time: Time) -> Instant {
        self.began + time.since(Time::from_micros(0))
    }

    /// The moment on the wall.
    pub fn on_wall(&self, time: Time) -> UnixMicros {
        self.began_on_wall + time.micros()
    }

    /// Read the wall's time again.
    pub fn adjust(&mut self) {
        self.began_on_wall = wall().saturating_sub(self.now().micros());
    }
}

fn wall() -> UnixMicros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
