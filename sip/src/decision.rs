//! What the routing side tells the core to do with a call, and what the core tells it about one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::codes::CodeSet;
use super::digest::Login;
use super::door::Dismissal;
use super::edit::Edit;
use super::flow::{Flow, Transport};
use super::gate::Gate;
use super::message::Message;

/// Names a call of one core. Stays unique after the call has ended: a late use finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallRef {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// A new call that wants routes.
#[derive(Debug, Clone)]
pub struct RouteRequest {
    /// Give it back with the decision.
    pub call: CallRef,
    /// The INVITE as received.
    pub message: Arc<Message>,
    /// Where it came from.
    pub flow: Flow,
}

/// What becomes of a call.
#[derive(Debug)]
pub enum Decision {
    /// Hunt these targets in order.
    Hunt {
        /// The request to forward: as received, with the stages' edits.
        message: Arc<Message>,
        /// In order of preference; not empty.
        targets: Vec<Target>,
        /// Whose call it is, by the name under which [`Action::Heard`](super::core::Action::Heard) tells of it.
        customer: Arc<str>,
        /// Whether what the caller says about who it is counts (RFC 3325). If not, P-Asserted-Identity and the like are
        /// taken out of what it sends within the call; of `message` the routing side has taken them.
        believed: bool,
        /// The realm of this node that the caller has credentials for, where there is one: they are for nobody behind
        /// (RFC 3261 section 22.3) and are taken out likewise.
        realm: Option<Arc<str>>,
    },
    /// The sender is nobody's.
    Dismiss(Dismissal),
    /// Answer with this final response, 300 to 699.
    Respond {
        /// Status code.
        code: u16,
        /// Reason phrase; empty for the standard one.
        reason: String,
        /// Header fields to add.
        headers: Vec<(String, String)>,
    },
}

/// One attempt of a hunt.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where to send; `None` when the gateway's address is not known, which counts as unreachable.
    pub destination: Option<Destination>,
    /// Replaces the host and port of the Request-URI, such as `192.0.2.1:5070`; `None` leaves them.
    pub request_host: Option<Arc<str>>,
    /// Edits for this attempt alone.
    pub edits: Vec<Edit>,
    /// From INVITE to first provisional response.
    pub attempt_timeout: Duration,
    /// From INVITE to final response.
    pub ring_timeout: Duration,
    /// Rung together with the target before it.
    pub parallel: bool,
    /// The gateway that it goes through.
    pub hop: Arc<NextHop>,
}

/// How a gateway is dealt with.
#[derive(Debug, Clone)]
pub struct NextHop {
    /// The name under which [`Action::Attempted`](super::core::Action::Attempted) tells of its attempts.
    pub name: Arc<str>,
    /// The final codes after which the hunt goes on.
    pub continues: CodeSet,
    /// What a 3xx of it means.
    pub redirects: Redirects,
    /// Answers its challenges; else they go to the caller.
    pub login: Option<Arc<Login>>,
    /// Requests of more bytes than this go by TCP where they would go by UDP (RFC 3261 section 18.1.1), and by UDP after
    /// all where no connection comes about. `None`: by UDP, whatever their size.
    pub tcp_above: Option<usize>,
    /// Whether it is trusted with who calls although that is to be kept private (RFC 3325 section 5).
    pub trusted: bool,
    /// Whether it takes a call; `None` for one without limits.
    pub gate: Option<Arc<dyn Gate>>,
}

/// What becomes of a 3xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// It is an answer as others.
    Pass,
    /// Its Contacts are called in place of the gateway (RFC 3261 section 16.5).
    Follow,
    /// The same, but one with a host name is called at the gateway that gave it: the name is the gateway's own matter.
    Stay,
}

impl NextHop {
    /// For where this gateway has sent us: dealt with alike, and under its name, but without its login and the trust that it has, and its state
    /// learns nothing of it.
    pub(super) fn elsewhere(&self) -> Arc<Self> {
        Arc::new(Self { login: None, trusted: false, gate: None, ..self.clone() })
    }
}

/// A place to send messages to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Destination {
    /// By which protocol.
    pub transport: Transport,
    /// To which address.
    pub address: SocketAddr,
}

impl From<Flow> for Destination {
    /// The other end.
    fn from(flow: Flow) -> Self {
        Self { transport: flow.transport, address: flow.remote }
    }
}
