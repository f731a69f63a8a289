//! Where a message came from or goes to.

use std::fmt;
use std::net::SocketAddr;

/// The protocol that carries messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// RFC 3261 section 18, datagrams.
    Udp,
    /// RFC 3261 section 18, streams.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Transport {
    /// As in a Via header field: `UDP`.
    pub const fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// As in a URI's `transport` parameter: `udp`.
    pub const fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The port of a URI that names none (RFC 3261 section 19.1.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// Whether it delivers or says so: no retransmission by the transaction layer.
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.param())
    }
}

/// Names a connection of a stream transport. Stays unique after the connection has ended: a late use finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// Its place among the connections of this node.
    pub slot: u32,
    /// Which one of those that had this place.
    pub generation: u32,
}

/// A listener of this node and the peer at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Index into the node's listeners.
    pub listener: u16,
    /// By which protocol.
    pub transport: Transport,
    /// The peer's address; for a message that leaves by a connection that is gone, where another one leads.
    pub remote: SocketAddr,
    /// The connection that a message came by. One without leaves by whichever leads to the peer, opened where there is
    /// none.
    pub connection: Option<ConnectionId>,
}

impl Flow {
    /// To a peer, by no certain connection.
    pub const fn to(listener: u16, transport: Transport, remote: SocketAddr) -> Self {
        Self { listener, transport, remote, connection: None }
    }
}

/// Why a message did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// No connection came about: refused, or not there in time. The peer may still be reached otherwise.
    NoConnection,
    /// Anything else: ICMP said so, its connection broke or took no more.
    Other,
}
