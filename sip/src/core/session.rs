//! Session timers, observed: both sides agree on a time within which one of them refreshes the session (RFC 4028). This
//! node asks for none; it sees whether what was agreed is kept.

use std::time::Duration;

use crate::message::{Message, Name};
use crate::time::Time;

/// When a call must have been refreshed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Session {
    expires: Option<Time>,
}

impl Session {
    /// A 2xx to an INVITE or an UPDATE: what it says holds from now on, and where it says nothing, nothing does
    /// (RFC 4028 sections 7.2 and 8.2).
    pub(super) fn answered(&mut self, now: Time, answer: &Message) {
        let value = answer.get(Name::SessionExpires).unwrap_or_default();
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let seconds = std::str::from_utf8(&value[..digits]).ok().and_then(|digits| digits.parse().ok());
        self.expires = seconds.filter(|seconds| *seconds > 0).map(|seconds| now + Duration::from_secs(seconds));
    }

    /// When it ends.
    pub(super) const fn expiry(&self) -> Option<Time> {
        self.expires
    }
}
