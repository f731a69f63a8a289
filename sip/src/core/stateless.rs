//! Requests that need no call: answered at once and forgotten (RFC 3261 section 8.2.7).

use std::time::Duration;

use super::ascii::Ascii;
use super::loops::is_loop;
use super::within::Incoming;
use super::{Action, Core};
use crate::message::{Method, Name};
use crate::reply::reply;

/// What this node takes outside of a call, and what belongs to one.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";

/// Bytes that an answer may have for each byte of a datagram that asked.
const MOST_AMPLIFIED: usize = 3;

/// When a node that is full or drains may be asked again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl<F> Core<F> {
    /// Answer without keeping anything. The To tag follows from the request, so that a retransmission gets the same.
    pub(super) fn refuse(&mut self, request: &Incoming, code: u16, reason: &str, headers: &[(&str, &str)]) {
        if request.message.method() == Method::Ack {
            return;
        }
        let tag = Ascii::<9>::of(&[("s", u64::from(crc32c::crc32c(&request.key)), 8)]);
        let bytes = reply(&request.message, code, reason, Some(&tag), headers);
        // Whoever writes another's address on a datagram must gain nothing by it (RFC 3261 section 26.3.2.4).
        let unverified = !request.reply_flow.transport.is_reliable();
        if unverified && bytes.len() > request.message.raw().len() * MOST_AMPLIFIED {
            self.counters.amplified += 1;
            return;
        }
        self.actions.push_back(Action::Send { flow: request.reply_flow, bytes: bytes.into(), within: None });
    }

    /// Whether a new INVITE is a stranger's, and was answered.
    pub(super) fn turned_away(&mut self, request: &Incoming) -> bool {
        let dismissal = self.door.as_ref().and_then(|door| door.turns_away(&request.message, request.flow));
        let Some(dismissal) = dismissal else { return false };
        self.counters.strangers += 1;
        self.refuse(request, dismissal.code, "", &dismissal.fields());
        true
    }

    /// Answer 503, with a time after which to try again that differs from one to the next.
    pub(super) fn refuse_for_now(&mut self, request: &Incoming) {
        let least = self.overload.unwrap_or(RETRY_AFTER).as_secs().max(1);
        let seconds = self.rng.u64(least..=least * 2).to_string();
        self.refuse(request, 503, "", &[("Retry-After", &seconds)]);
    }

    /// Whether a request must not go on, and was refused.
    pub(super) fn refused(&mut self, request: &Incoming) -> bool {
        let message = &request.message;
        if matches!(message.max_forwards(), Some(Ok(0))) {
            self.counters.declined += 1;
            self.refuse(request, 483, "", &[]);
        } else if is_loop(message, &self.settings) {
            self.counters.loops += 1;
            self.refuse(request, 482, "", &[]);
        } else if message.first(Name::ProxyRequire).is_some() {
            self.counters.declined += 1;
            // RFC 3261 section 8.2.2.3: every extension that this node has not, and it has none.
            let required = message.all(Name::ProxyRequire).map(|field| String::from_utf8_lossy(message.value(field)));
            let unsupported = required.collect::<Vec<_>>().join(", ");
            self.refuse(request, 420, "", &[("Unsupported", &unsupported)]);
        } else {
            return false;
        }
        true
    }

    /// Whether a request outside of a call was answered here, in the order of RFC 3261 section 16.3.
    pub(super) fn answered_here(&mut self, request: &Incoming) -> bool {
        let message = &request.message;
        let method = message.method();
        if method == Method::Options && message.max_forwards().is_some_and(|hops| hops == Ok(0)) {
            self.refuse(request, 200, "", &[("Allow", ALLOW), ("Accept", "application/sdp")]);
        } else if self.refused(request) {
            // Done.
        } else if method == Method::Options && self.draining {
            // Whoever probes us moves on to another node before its calls are refused.
            self.refuse(request, 503, "", &[]);
        } else if method == Method::Options && self.overload.is_some() {
            self.refuse_for_now(request);
        } else if method == Method::Options {
            self.refuse(request, 200, "", &[("Allow", ALLOW), ("Accept", "application/sdp")]);
        } else if method == Method::Invite {
            return false;
        } else if method == Method::Bye {
            // Without a To tag it ends no dialog (RFC 3261 section 15.1.2).
            self.refuse(request, 481, "", &[]);
        } else {
            self.refuse(request, 405, "", &[("Allow", ALLOW)]);
        }
        true
    }
}
