//! What the core wants done.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::report::CallReport;
use crate::decision::{CallRef, RouteRequest};
use crate::end::AttemptOutcome;
use crate::flow::Flow;
use crate::place::Place;

/// What the driver is to do.
#[derive(Debug)]
pub enum Action<F> {
    /// Send these bytes.
    Send {
        /// From which listener to which peer.
        flow: Flow,
        /// One whole message.
        bytes: Bytes,
        /// Where it goes by a connection for its size alone: how long that may take to come about. After it, and where it is
        /// refused, [`Core::unreachable`](super::Core::unreachable) wants to know.
        within: Option<Duration>,
    },
    /// Find routes for a new call, and give them to [`Core::decide`](super::Core::decide).
    Route(RouteRequest),
    /// The caller no longer waits for this call's routes: [`Core::decide`](super::Core::decide) may come at once, with whatever is known.
    StopRouting(CallRef),
    /// A call has routes and is being set up: see [`Core::open_call`](super::Core::open_call).
    Started(CallRef),
    /// It was answered, or answered by one more callee: the same.
    Answered(CallRef),
    /// It is answered, and its transactions are gone: from now on it only stands, and what is kept of it may be made small
    /// ([`Core::facts_mut`](super::Core::facts_mut)). Again after each request within it.
    Settled(CallRef),
    /// Find out where a name leads, and tell [`Core::located`](super::Core::located); where that cannot be asked now,
    /// [`Core::unasked`](super::Core::unasked).
    Locate {
        /// What to ask for.
        place: Place,
        /// A call waits for it, that a gateway has led there; other names are what anybody says of himself.
        awaited: bool,
    },
    /// A caller hears of its call for the first time, by an 18x or else by the 2xx. Once per call that is hunted; never of one
    /// that was taken up ([`Core::restore`](super::Core::restore)): it was the other core's to tell.
    Heard {
        /// As in the decision.
        customer: Arc<str>,
        /// Since the INVITE: the post-dial delay.
        after: Duration,
    },
    /// An attempt has ended. Once per attempt, as it ended first: one that answers after it was given up is told as given
    /// up, though its record then knows better. Never of a call that was taken up.
    Attempted {
        /// The name of its next hop.
        gateway: Arc<str>,
        /// How it ended.
        outcome: AttemptOutcome,
    },
    /// A call is over: write its record. Once per call.
    Record(Box<CallReport<F>>),
}
