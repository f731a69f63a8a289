//! Connections: what the configuration says of them, in the transport's words.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::config::model::Config;
use crate::routing::Gateways;
use crate::sip::flow::Transport;
use crate::transport::stream::Limits;

/// What bounds them.
pub(super) fn limits(config: &Config) -> Limits {
    let streams = &config.streams;
    Limits {
        connections: streams.max_connections,
        per_source: streams.max_per_source,
        handshakes: streams.max_handshakes,
        handshakes_per_source: streams.max_handshakes_per_source,
        handshake_timeout: streams.handshake_timeout.get(),
        connect_timeout: streams.connect_timeout.get(),
        idle: streams.idle.get(),
        stall: streams.stall.get(),
        queue: streams.queue.bytes() as usize,
    }
}

/// The names that certificates must hold at the addresses of gateways. Those of gateways that are given by an address
/// must hold the address.
pub(super) fn names(gateways: &Gateways) -> HashMap<SocketAddr, Box<str>> {
    let named = gateways.iter().filter_map(|gateway| Some((gateway.host_name()?, gateway.destinations())));
    let pairs = named.flat_map(|(name, found)| found.into_iter().map(move |destination| (name, destination)));
    pairs
        .filter(|(_, destination)| destination.transport == Transport::Tls)
        .map(|(name, destination)| (destination.address, name.into()))
        .collect()
}
