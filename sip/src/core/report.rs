//! What the core knows of a call when it is over.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::end::{AttemptOutcome, End};
use crate::flow::Flow;
use crate::time::Time;

/// One call, from its INVITE to its end. `F` is what the routing side gave with its decision.
#[derive(Debug)]
pub struct CallReport<F> {
    /// Names the call in our Record-Route, and in the journal.
    pub cookie: u64,
    /// The Call-ID header field.
    pub call_id: Box<[u8]>,
    /// Where the INVITE came from.
    pub flow: Flow,
    /// As given with the decision.
    pub facts: F,
    /// The final status code sent to the caller.
    pub code: u16,
    /// How it ended.
    pub end: End,
    /// When the INVITE came.
    pub received: Time,
    /// When the decision was there.
    pub routed: Time,
    /// When the first 18x came back.
    pub ringing: Option<Time>,
    /// When the 2xx came back.
    pub answered: Option<Time>,
    /// When it was over.
    pub ended: Time,
    /// In order.
    pub attempts: Attempts,
}

/// Most calls take one.
pub type Attempts = SmallVec<[AttemptReport; 1]>;

/// One attempt of the hunt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptReport {
    /// Index into the decision's targets.
    pub target: usize,
    /// Where the INVITE went.
    pub destination: Option<SocketAddr>,
    /// The user part that was called in place of the target's, where a redirection led to it.
    pub redirected: Option<Box<str>>,
    /// When it was sent.
    pub started: Time,
    /// When its first 18x came.
    pub ringing: Option<Time>,
    /// When its final response came, or it was given up; then the code and the outcome.
    pub ended: Option<(Time, u16, AttemptOutcome)>,
    /// When it was answered after it had been given up: acknowledged, and hung up by us.
    pub released: Option<Time>,
}
