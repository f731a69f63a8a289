//! What the core is told once: who this node is, and how long to wait.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::decision::Destination;
use crate::flow::{Flow, Transport};

/// Constant for the life of a core.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which of the node's workers this is: goes into every branch.
    pub worker: u8,
    /// Where the node listens; a flow names one by its index.
    pub listeners: Vec<Listener>,
    /// RFC 3261 section 17.1.1.1: the round-trip estimate. Default 500 ms.
    pub t1: Duration,
    /// RFC 3261 section 17.1.2.2: the longest retransmission interval. Default 4 s.
    pub t2: Duration,
    /// RFC 3261 section 17.1.2.2: how long a message stays in the network. Default 5 s.
    pub t4: Duration,
    /// An answered call is ended with BYE to both sides after this.
    pub max_duration: Duration,
    /// How long the record of a call that is over waits for answers of attempts that were given up.
    pub late_answers: Duration,
    /// Whether a call whose session was not refreshed in time (RFC 4028) is ended with BYE to both sides, or only its
    /// record is closed.
    pub hang_up_expired: bool,
    /// Attempts per call.
    pub max_attempts: usize,
    /// Calls and other transactions' containers held at once; a new INVITE beyond gets 503.
    pub max_calls: usize,
}

impl Settings {
    /// 64 × T1: how long a transaction waits (timers B, F, H, J, L, M).
    pub(super) fn timeout(&self) -> Duration {
        self.t1 * 64
    }

    pub(super) fn listener(&self, flow: Flow) -> Option<&Listener> {
        self.listeners.get(usize::from(flow.listener))
    }

    /// The flow to a destination: from the listener where the call came in, where that fits, else from the first that does.
    pub(super) fn flow_to(&self, destination: Destination, preferred: Flow) -> Option<Flow> {
        let fits = |listener: &Listener| {
            listener.transport == destination.transport && listener.bound.is_ipv4() == destination.address.is_ipv4()
        };
        let listener = match self.listener(preferred) {
            Some(listener) if fits(listener) => preferred.listener,
            _ => self.listeners.iter().position(fits)? as u16,
        };
        Some(Flow::to(listener, destination.transport, destination.address))
    }

    /// The flow to a destination of our own choice, from the first listener that fits.
    pub(super) fn any_flow_to(&self, destination: Destination) -> Option<Flow> {
        let nowhere = Flow::to(u16::MAX, destination.transport, destination.address);
        self.flow_to(destination, nowhere)
    }

    /// Whether this node is at an address.
    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        self.is_self(host(address.ip()).as_bytes(), Some(address.port()))
    }

    /// Whether a URI's or a Via's `host[:port]` is this node. The port of a URI without one is 5060.
    pub(super) fn is_self(&self, host: &[u8], port: Option<u16>) -> bool {
        self.listeners.iter().any(|listener| {
            let port = port.unwrap_or(listener.transport.default_port());
            (listener.port == port && listener.host.as_bytes().eq_ignore_ascii_case(host))
                || ([listener.port, listener.bound.port()].contains(&port) && listener.is_bound_to(host))
        })
    }
}

/// One socket of the node.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The protocol.
    pub transport: Transport,
    /// The address it is bound to.
    pub bound: SocketAddr,
    /// The host written to Via and Record-Route; an IPv6 address in brackets.
    pub host: Box<str>,
    /// The port written there.
    pub port: u16,
}

/// An address as a URI has it.
fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

impl Listener {
    fn is_bound_to(&self, host: &[u8]) -> bool {
        let text = std::str::from_utf8(host).unwrap_or_default();
        text.trim_start_matches('[').trim_end_matches(']').parse() == Ok(self.bound.ip())
    }
}
