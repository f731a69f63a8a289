//! What stands before a gateway: whether it takes another call. The core asks, the routing side knows.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::time::Time;

/// One gateway's limits and health, shared between all workers: nothing here may wait or lock.
pub trait Gate: Send + Sync + fmt::Debug {
    /// Let one call through, or say why not. `resort`: no other gateway is left, so that health does not count.
    ///
    /// # Errors
    ///
    /// The gateway takes no call now: the next route is tried at once.
    fn enter(&self, now: Time, resort: bool) -> Result<(), Closed>;

    /// A call that was let through is over.
    fn leave(&self);

    /// An attempt has shown how the gateway is.
    fn showed(&self, now: Time, sign: Sign);

    /// This address of it did not answer in time, or cannot be reached (RFC 3263 section 4.3): other addresses that it has
    /// come first for a time.
    fn silent(&self, address: SocketAddr);

    /// No further call for so long: it asked for that (RFC 3261 section 21.5.4).
    fn set_aside(&self, now: Time, span: Duration);

    /// A probe has come to its end: with this final response, or without any.
    fn probed(&self, now: Time, code: Option<u16>);
}

/// Why a gateway takes no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It has as many calls, or has had as many in this second, as it may.
    Full,
    /// Its probes or its calls fail, or it asked for rest.
    Down,
    /// An operator has switched it off.
    Off,
}

/// What an attempt says about the gateway itself, whatever it says about the callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It answers.
    Alive,
    /// It stays silent, cannot be reached, or answers that it fails.
    Failing,
}

/// The place of one call at a gateway; given back when dropped.
#[derive(Debug)]
pub struct Pass(Arc<dyn Gate>);

impl Pass {
    /// Ask for one.
    ///
    /// # Errors
    ///
    /// As [`Gate::enter`].
    pub fn through(gate: &Arc<dyn Gate>, now: Time, resort: bool) -> Result<Self, Closed> {
        gate.enter(now, resort).map(|()| Self(Arc::clone(gate)))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.leave();
    }
}
