//! What the connections count. Read at every scrape.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::sip::flow::Transport;

/// Counters of all connections.
#[derive(Debug, Default)]
pub(super) struct Counts {
    tcp: Traffic,
    tls: Traffic,
    /// Things that went wrong, by family and reason: rare, so a lock does.
    events: Mutex<BTreeMap<(Event, &'static str), u64>>,
}

/// Messages and bytes of one transport.
#[derive(Debug, Default)]
struct Traffic {
    received: (AtomicU64, AtomicU64),
    sent: (AtomicU64, AtomicU64),
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A connection was closed by this side, or refused.
    Closed,
    /// A TLS handshake failed.
    Handshake,
    /// A message could not be sent.
    Unsent,
}

impl Event {
    /// Its family on the metrics page, and what that says.
    pub const fn family(self) -> (&'static str, &'static str) {
        match self {
            Self::Closed => ("connections_closed", "Connections that this node refused or closed, by reason"),
            Self::Handshake => ("tls_handshakes_failed", "TLS handshakes that failed, by reason"),
            Self::Unsent => ("stream_messages_unsent", "Messages that no connection took, by reason"),
        }
    }
}

/// Counts at one moment.
#[derive(Debug, Clone, Default)]
pub struct StreamSample {
    /// Connections that there are, those that are being opened included.
    pub connections: u64,
    /// Transport, direction, messages and bytes.
    pub traffic: Vec<(&'static str, &'static str, u64, u64)>,
    /// Family, reason and how often.
    pub events: Vec<(Event, &'static str, u64)>,
}

impl Counts {
    fn traffic(&self, transport: Transport) -> &Traffic {
        if transport == Transport::Tls { &self.tls } else { &self.tcp }
    }

    pub(super) fn received(&self, transport: Transport, bytes: usize) {
        let (messages, total) = &self.traffic(transport).received;
        messages.fetch_add(1, Relaxed);
        total.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn sent(&self, transport: Transport, bytes: usize) {
        let (messages, total) = &self.traffic(transport).sent;
        messages.fetch_add(1, Relaxed);
        total.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn closed(&self, reason: &'static str) {
        self.count(Event::Closed, reason);
    }

    pub(super) fn handshake_failed(&self, reason: &'static str) {
        self.count(Event::Handshake, reason);
    }

    pub(super) fn unsent(&self, reason: &'static str) {
        self.count(Event::Unsent, reason);
    }

    fn count(&self, event: Event, reason: &'static str) {
        *self.events.lock().unwrap_or_else(PoisonError::into_inner).entry((event, reason)).or_default() += 1;
    }

    pub(super) fn sample(&self, connections: usize) -> StreamSample {
        let both = [("tcp", &self.tcp), ("tls", &self.tls)];
        let traffic = both.into_iter().flat_map(|(transport, traffic)| {
            [("received", &traffic.received), ("sent", &traffic.sent)].map(|(direction, (messages, bytes))| {
                (transport, direction, messages.load(Relaxed), bytes.load(Relaxed))
            })
        });
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        StreamSample {
            connections: connections as u64,
            traffic: traffic.collect(),
            events: events.iter().map(|((event, reason), count)| (*event, *reason, *count)).collect(),
        }
    }
}
