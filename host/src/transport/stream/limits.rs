//! What bounds the connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// As configured in `[streams]`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once, of either direction.
    pub connections: usize,
    /// Of these, from one address.
    pub per_source: usize,
    /// TLS handshakes at once; a peer beyond is hung up on.
    pub handshakes: usize,
    /// Of these, from one address.
    pub handshakes_per_source: usize,
    /// How long a TLS handshake of a peer may take.
    pub handshake_timeout: Duration,
    /// How long a connection of ours may take to come about, its handshake included.
    pub connect_timeout: Duration,
    /// A connection by which nothing came or went for so long is closed.
    pub idle: Duration,
    /// How long a message that has begun may take to come in, or what was written may take to go out.
    pub stall: Duration,
    /// Bytes that may wait to be written to one connection.
    pub queue: usize,
}

/// How many connections each address has, and no more than it may.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Sources {
    /// Counts one; `None` where the address has as many as it may.
    pub(super) fn admit(&self, address: IpAddr, most: usize) -> Option<Admitted> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Admitted { sources: self.clone(), address })
    }
}

/// One connection of an address. Dropping it gives its place back.
#[derive(Debug)]
pub(super) struct Admitted {
    sources: Sources,
    address: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_limit_and_gets_a_place_back_with_each_end() {
        let (sources, one, other) = (Sources::default(), "192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = sources.admit(one, 1).expect("the first");
        assert!(sources.admit(one, 1).is_none());
        assert!(sources.admit(other, 1).is_some(), "another address");
        drop(first);
        assert!(sources.admit(one, 1).is_some());
        assert!(sources.0.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
