//! How large a message may be for its transport: a request that is large for a datagram goes by a connection where its
//! next hop takes some (RFC 3261 section 18.1.1), and what no transport carries is refused with 513 (section 21.5.14).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::cx::Cx;
use super::forward;
use super::settings::Settings;
use crate::decision::Destination;
use crate::flow::{Flow, Transport};
use crate::message::{Fault, MAX_MESSAGE};
use crate::time::Time;

/// What an IPv4 packet has room for behind its own header and that of UDP.
const MAX_DATAGRAM_V4: usize = 65_535 - 20 - 8;
/// The same for IPv6, whose length does not count its own header (RFC 8200 section 3).
const MAX_DATAGRAM_V6: usize = 65_535 - 8;

/// How long a peer that took no connection is sent datagrams of any size.
const NOT_AGAIN: Duration = Duration::from_mins(10);
/// Such peers that are remembered; those beyond are asked again for each large request.
const MOST_DEAF: usize = 1024;

/// A request as it leaves.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) flow: Flow,
    pub(super) bytes: Bytes,
    /// The same by datagram, where it goes by a connection for its size alone.
    pub(super) instead: Option<(Flow, Bytes)>,
}

impl Outgoing {
    /// As it is. For what this node writes itself, which is small.
    pub(super) const fn small(flow: Flow, bytes: Bytes) -> Self {
        Self { flow, bytes, instead: None }
    }

    /// By `flow`, or by a connection to the same address where that is a datagram of more than `tcp_above` bytes. `None`
    /// where it is too large for both.
    pub(super) fn of<F>(cx: &mut Cx<'_, F>, flow: Flow, bytes: Bytes, tcp_above: Option<usize>) -> Option<Self> {
        let large = flow.transport == Transport::Udp && tcp_above.is_some_and(|most| bytes.len() > most);
        let carried = carries(flow, &bytes);
        if large
            && !cx.deaf.holds(cx.now, flow.remote)
            && let Some((connection, again)) = by_connection(cx.settings, flow, &bytes)
        {
            cx.counters.by_connection += 1;
            return Some(Self { flow: connection, bytes: again, instead: carried.then_some((flow, bytes)) });
        }
        if !carried {
            cx.counters.too_large += 1;
        }
        carried.then_some(Self::small(flow, bytes))
    }
}

/// Whether a message of this length can go by this flow. One that is longer than we would take is sent to nobody else.
fn carries(flow: Flow, bytes: &[u8]) -> bool {
    let most = match (flow.transport, flow.remote) {
        (Transport::Udp, SocketAddr::V4(_)) => MAX_DATAGRAM_V4,
        (Transport::Udp, SocketAddr::V6(_)) => MAX_DATAGRAM_V6,
        _ => MAX_MESSAGE,
    };
    bytes.len() <= most
}

/// The request with a Via of the listener that connections leave by; what else a datagram said stays, Record-Route too: it
/// is this request alone that is large.
fn by_connection(settings: &Settings, flow: Flow, request: &Bytes) -> Option<(Flow, Bytes)> {
    let flow = settings.flow_to(Destination { transport: Transport::Tcp, address: flow.remote }, flow)?;
    let bytes = forward::by_other_listener(request, settings.listener(flow)?)?;
    carries(flow, &bytes).then_some((flow, bytes))
}

/// Peers that took no connection when a large request wanted one.
#[derive(Debug, Default)]
pub(super) struct Deaf(HashMap<SocketAddr, Time>);

impl Deaf {
    fn holds(&self, now: Time, peer: SocketAddr) -> bool {
        self.0.get(&peer).is_some_and(|until| *until > now)
    }

    pub(super) fn add(&mut self, now: Time, peer: SocketAddr) {
        if self.0.len() >= MOST_DEAF {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() < MOST_DEAF {
            self.0.insert(peer, now + NOT_AGAIN);
        }
    }
}

/// A request that is too large to be passed on, or to be kept with what is added to its Via.
pub(super) const TOO_LARGE: Fault = Fault { code: 513, reason: "Message Too Large" };
